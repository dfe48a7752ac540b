-- host.store's versions of rules for specs, added to a fake store: `data.versions[slug]` are an agency's, in order.
local fake_versions = {}

local running <const> = { live = true, shadow = true, canary = true }

local function failed(name)
  return nil, name .. ": as the spec wants it", name
end

local function shown(version, with_source)
  local copy = {}
  for name, value in pairs(version) do
    copy[name] = value
  end
  if not with_source then
    copy.source = nil
  end
  return copy
end

-- One that goes live ends the live one and the candidate, a candidate ends the candidate.
local function supersede(list, version)
  for _, other in ipairs(list) do
    if other ~= version and running[other.mode] and (version.mode == "live" or other.mode ~= "live") then
      other.mode = "superseded"
    end
  end
end

function fake_versions.add(store, data, clock)
  data.versions = {}

  function store.rules_add(new)
    local list = data.versions[new.agency] or {}
    data.versions[new.agency] = list
    if new.expected_version and new.expected_version ~= #list then
      return failed "CONFLICT"
    end
    local version = shown(new, true)
    version.version, version.at_ms, version.origin = #list + 1, clock.now, "published"
    version.expected_version, version.percent = nil, new.percent or 0
    list[#list + 1] = version
    supersede(list, version)
    return #list
  end

  function store.rules_get(agency, number)
    local version = (data.versions[agency] or {})[number]
    if not version then
      return failed "NOT_FOUND"
    end
    return shown(version, true)
  end

  function store.rules_list(agency, before, limit)
    local list, found = data.versions[agency] or {}, {}
    local first = before and before > 0 and before - 1 or #list
    for index = math.min(first, #list), math.max(1, first - limit + 1), -1 do
      found[#found + 1] = shown(list[index])
    end
    return found
  end

  function store.rules_current()
    local found = {}
    for _, list in pairs(data.versions) do
      for _, version in ipairs(list) do
        if running[version.mode] and version.origin == "published" then
          found[#found + 1] = shown(version, true)
        end
      end
    end
    return found
  end

  function store.rules_set_mode(change)
    local list = data.versions[change.agency]
    local version = list[change.version]
    if version.mode ~= change.expected then
      return failed "CONFLICT"
    end
    version.mode, version.reason, version.changed_by = change.mode, change.reason, change.by
    version.changed_ms = clock.now
    if running[change.mode] then
      supersede(list, version)
    end
    return true
  end
end

return fake_versions
