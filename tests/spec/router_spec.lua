local router = require "bascule.router"

describe("bascule.router", function()
  local function answer(name)
    return function(_, parameters) return { status = 200, headers = {}, body = name, parameters = parameters } end
  end

  local dispatch = router.new {
    { "GET", "/messages", answer "list" },
    { "POST", "/messages", answer "create" },
    { "GET", "/messages/:id", answer "show" },
    { "GET", "/messages/new", answer "new" },
    { "PUT", "/messages/:id/status/:n", answer "status" },
    { "GET", "/files.v1/*", answer "file" },
  }

  local function get(path, method)
    return dispatch { method = method or "GET", path = path }
  end

  it("finds the handler of a method and path", function()
    assert.equal("list", get("/messages").body)
    assert.equal("create", get("/messages", "POST").body)
  end)

  it("gives parameters, decoded", function()
    assert.same({ id = "a b/c" }, get("/messages/a%20b%2Fc").parameters)
    assert.same({ id = "m1", n = "2" }, get("/messages/m1/status/2", "PUT").parameters)
    assert.same({ rest = "a/b%20c" }, get("/files.v1/a/b%20c").parameters)
  end)

  it("lets a path without parameters win", function()
    assert.equal("new", get("/messages/new").body)
  end)

  it("forgives a trailing slash, and nothing else", function()
    assert.equal("list", get("/messages/").body)
    assert.same({ nil, "not_found" }, { get "/messages//" })
    assert.same({ nil, "not_found" }, { get "/filesXv1/a" })
    assert.same({ nil, "not_found" }, { get "/messages/a/b" })
  end)

  it("refuses broken escapes and NUL", function()
    for _, path in ipairs { "/messages/%", "/messages/%2", "/messages/%zz", "/messages/a%00" } do
      assert.same({ nil, "not_found" }, { get(path) }, path)
    end
  end)

  it("answers HEAD as GET without its body", function()
    assert.same({ status = 200, headers = {}, body = "" }, get("/messages", "HEAD"))
  end)

  it("names the methods that a path takes", function()
    assert.same({ nil, "method_not_allowed", "GET, HEAD, POST" }, { get("/messages", "DELETE") })
    assert.same({ nil, "method_not_allowed", "PUT" }, { get("/messages/m1/status/2") })
  end)

  it("refuses tables that contradict themselves", function()
    assert.has_error(function() router.new { { "GET", "/a", answer "" }, { "GET", "/a", answer "" } } end,
      "route GET /a stands twice")
    assert.has_error(function() router.new { { "GET", "/a" } } end, "route GET /a has no handler")
  end)
end)
