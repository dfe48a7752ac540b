-- What GHL's user reads under a failed text, in place of the provider's words.
local words <const> = {
  { "unsubscribed", "The contact has opted out. They can reply START to get texts again." },
  { "landline", "This number is a landline, which gets no texts." },
  { "unreachable", "The phone was off or without signal for too long. Try again later." },
  { "balance", "The account has no credit left. Please tell your administrator." },
}

return {
  locations = { "recipeFailureWords001" },
  report = function(report)
    if report.status == "failed" and report.error then
      for _, row in ipairs(words) do
        if report.error.message:lower():find(row[1], 1, true) then
          report.error.message = row[2]
        end
      end
    end
    return report
  end,
  tests = {
    ["words a failure"] = function(t)
      local error = { code = "30006", type = "provider", message = "Landline or carrier" }
      local report = t.report({ status = "failed", error = error }).message
      t.equal(report.error.message, "This number is a landline, which gets no texts.")
      t.equal(report.error.code, "30006")
    end,
    ["leaves other statuses alone"] = function(t)
      t.equal(t.report({ status = "delivered" }).message.status, "delivered")
    end,
  },
}
