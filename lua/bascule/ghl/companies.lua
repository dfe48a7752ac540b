-- The locations of a company that has the app: told of by GHL in pages, enrolled so that their messages find a token.
local log = require "host.log"
local store = require "host.store"
local time = require "host.time"

local client = require "bascule.ghl.client"
local oauth = require "bascule.ghl.oauth"
local tokens = require "bascule.ghl.tokens"

local companies = {}

local page_size <const> = 100
local pages_most <const> = 1000 -- an end, should GHL's paging have none

local function page(company, skip)
  return client.request {
    path = "/oauth/installedLocations",
    company = company,
    query = {
      companyId = company,
      appId = oauth.app_id(),
      isInstalled = "true",
      skip = tostring(skip),
      limit = tostring(page_size),
    },
  }
end

-- Where GHL leaves isInstalled out, it was asked for installed ones.
local function enroll_page(company, locations)
  local enrolled = 0
  for _, entry in ipairs(locations) do
    if type(entry._id) == "string" and entry.isInstalled ~= false then
      local title = type(entry.name) == "string" and entry.name or nil
      local ok, reason, name = tokens.enroll(company, entry._id, title)
      if not ok then
        return nil, { name = name, reason = reason }
      end
      enrolled = enrolled + 1
    end
  end
  return enrolled
end

-- A setting, not a field of the installation: writing that whole would race with a refresh of its tokens.
local function scope_of(company)
  return "company:" .. company
end

--- Whether the locations were once listed to their end.
---@param company string
---@return boolean
function companies.listed(company)
  local settings = store.settings(scope_of(company))
  return settings ~= nil and settings.locations_listed ~= nil
end

-- GHL may give shorter pages than it was asked for; `count` is the company's total.
local function is_last(body, listed, skip)
  return listed == 0 or skip >= (tonumber(body.count) or 0) and listed < page_size
end

--- Enrolls every location of the company that has the app.
---@param company string
---@return integer? locations, bascule.GhlFailure? failure
function companies.enroll_locations(company)
  local total, skip = 0, 0
  for _ = 1, pages_most do
    local answer, fault = page(company, skip)
    if not answer then
      return nil, fault
    end
    local locations = type(answer.body.locations) == "table" and answer.body.locations or {}
    local enrolled
    enrolled, fault = enroll_page(company, locations)
    if not enrolled then
      return nil, fault
    end
    total, skip = total + enrolled, skip + #locations
    if is_last(answer.body, #locations, skip) then
      store.setting_put(scope_of(company), "locations_listed", time.iso(time.now_ms()), false)
      log.info("locations enrolled", { company = company, locations = total })
      return total
    end
  end
  return total
end

return companies
