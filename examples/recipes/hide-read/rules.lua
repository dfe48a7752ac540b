-- That a contact has read a text is their own affair: GHL is told of everything else.
return {
  locations = { "recipeHideRead0000001" },
  report = function(report, context)
    if report.status == "read" then
      return context.reject "that it was read is not told"
    end
    return report
  end,
  tests = {
    ["hides read"] = function(t)
      t.equal(t.report({ status = "read" }).action, "reject")
    end,
    ["tells delivered"] = function(t)
      t.equal(t.report({ status = "delivered" }).message.status, "delivered")
    end,
  },
}
