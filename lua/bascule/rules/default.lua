-- The rule of locations that have none: the message as GHL gave it.
return {
  outbound = function(message)
    return message
  end,
}
