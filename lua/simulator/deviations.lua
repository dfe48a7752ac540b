-- Where GHL differs from its own OpenAPI files: the one list of what the simulator reads otherwise than it is written
-- there, and why. openapi.lua applies it; a row that finds nothing to change stops the simulator from starting, so that
-- no row outlives the fault of the files that it was made for.
--
-- Rows of `schemas`: the field of a schema becomes optional, or gets another schema (`is`).
-- Rows of `bodies`: an operation takes its body in one more media type, with the schema of the first.
-- Rows of `answers`: the schema of an answer for which the files have none.
-- Rows of `statuses`: answers that occur although the files do not name them; their body is `error_body`.
local deviations = {}

local date = { type = "string", nullable = true }
local field_value = { anyOf = { { type = "string" }, { type = "number" }, { type = "object" } } }

deviations.schemas = {
  { schema = "conversations.ProcessMessageBodyDto", field = "contactId", optional = true,
    why = "the samples, and the API, do with the conversationId alone" },
  { schema = "conversations.ProcessMessageBodyDto", field = "conversationProviderId", optional = true,
    why = "the provider documentation: not needed for the default SMS provider" },
  { schema = "conversations.ProcessMessageBodyDto", field = "direction",
    is = { type = "string", enum = { "inbound", "outbound" } },
    why = "written as an object, with the default \"outbound\"; it is that word" },
  { schema = "contacts.CreateContactDto", field = "dateOfBirth", is = date,
    why = "written as an object; it is a date as text, and answers give it back as such" },
  { schema = "contacts.UpsertContactDto", field = "dateOfBirth", is = date,
    why = "as in CreateContactDto" },
  { schema = "contacts.NumericField", field = "field_value", is = field_value,
    why = "written as an object; it is a number or its text" },
  { schema = "contacts.MonetoryField", field = "field_value", is = field_value,
    why = "as in NumericField" },
}

deviations.bodies = {
  { operation = "POST /oauth/locationToken", media_type = "application/json",
    why = "written as a form; GHL's own samples send JSON in one place and a form in another, and both work" },
}

deviations.answers = {
  { operation = "GET /contacts/search/duplicate", status = "200",
    is = {
      type = "object",
      required = { "contact" },
      properties = {
        contact = { nullable = true, allOf = { { ref = "contacts.GetContectByIdSchema" } } },
      },
    },
    why = "the files leave it open; integrators see the contact, or null where there is none" },
  { operation = "POST /conversations/messages/inbound", status = "201",
    is = { ref = "conversations.ProcessMessageResponseDto" },
    why = "the files say 200; GHL has been seen to answer 201 with the same body" },
}

deviations.statuses = {
  { status = 403, why = "a token without the right to this location or provider; also the early status update" },
  { status = 404, why = "nothing of that id" },
  { status = 422, why = "named for some operations only; GHL validates all of them" },
  { status = 429, why = "the documentation names it in prose: past the rate limit" },
  { status = 500, why = "happens" },
  { status = 502, why = "happens" },
  { status = 503, why = "happens" },
}

deviations.error_body = {
  type = "object",
  required = { "statusCode", "message" },
  properties = {
    statusCode = { type = "number" },
    message = { anyOf = { { type = "string" }, { type = "array", items = { type = "string" } } } },
    error = { type = "string" },
  },
}

-- The files do not forbid properties that they do not name; GHL does ("property phone should not exist"), for bodies
-- and for queries. So does the simulator.
deviations.strict = true

return deviations
