-- The least that a rule can be: every message as it came, under a sender that the location's settings name.
return {
  locations = { "plainLocation0000001" },
  outbound = function(message, context)
    message.sender = message.sender or context.settings.rule_sender
    return message
  end,
}
