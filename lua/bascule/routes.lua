-- Every path of Bascule, in the order in which one would tell of it.
local admin = require "bascule.handlers.admin"
local health = require "bascule.handlers.health"
local oauth = require "bascule.handlers.oauth"
local publishing = require "bascule.handlers.publishing"
local rules = require "bascule.handlers.rules"
local webhooks = require "bascule.handlers.webhooks"

return {
  -- messages and events from GHL
  { "POST", "/webhooks/ghl", webhooks.ghl },
  { "POST", "/webhook", webhooks.ghl },
  { "POST", "/api/webhooks/ghl", webhooks.ghl },
  { "POST", "/api/ghl/v1/webhook/messages", webhooks.ghl },
  { "POST", "/webhooks/ghl/:secret", webhooks.ghl_with_secret },

  -- connecting an agency
  { "GET", "/install", oauth.install },
  { "GET", "/oauth-callback", oauth.callback },
  { "GET", "/oauth/callback", oauth.callback },
  { "GET", "/api/oauth/callback", oauth.callback },
  { "GET", "/oauth/callback/highlevel", oauth.callback },
  { "GET", "/ghl/callback", oauth.callback },

  -- the process
  { "GET", "/health", health.health },
  { "GET", "/healthz", health.healthz },
  { "GET", "/readyz", health.readyz },
  { "GET", "/metrics", health.metrics },

  -- the operator
  { "GET", "/admin/v1/messages", admin.messages },
  { "GET", "/admin/v1/messages/:id", admin.message },
  { "POST", "/admin/v1/messages/:id/replay", admin.replay },
  { "GET", "/admin/v1/scripts", admin.scripts },
  { "POST", "/admin/v1/scripts/rollback", admin.rollback },
  { "POST", "/admin/v1/reload", admin.reload },
  { "GET", "/admin/v1/agencies", rules.agencies },
  { "GET", "/admin/v1/agencies/:slug", rules.agency },
  { "GET", "/admin/v1/agencies/:slug/rules", rules.source },
  { "PUT", "/admin/v1/agencies/:slug/rules", publishing.publish },
  { "DELETE", "/admin/v1/agencies/:slug/rules", publishing.unpublish },
  { "GET", "/admin/v1/agencies/:slug/versions", rules.versions },
  { "GET", "/admin/v1/agencies/:slug/versions/:version", rules.version },
  { "GET", "/admin/v1/agencies/:slug/versions/:version/diff", rules.difference },
  { "POST", "/admin/v1/agencies/:slug/rollback", publishing.rollback },
  { "POST", "/admin/v1/agencies/:slug/promote", publishing.promote },
  { "POST", "/admin/v1/agencies/:slug/withdraw", publishing.withdraw },
  { "GET", "/admin/v1/installations", admin.installations },
  { "POST", "/admin/v1/installations/:location/test", admin.test_location },
  { "POST", "/admin/v1/companies/:company/refresh", admin.refresh_company },
  { "POST", "/admin/v1/companies/:company/disconnect", admin.disconnect_company },
  { "POST", "/admin/v1/locations/:location/refresh", admin.refresh_location },
  { "POST", "/admin/v1/locations/:location/disconnect", admin.disconnect_location },
  { "GET", "/admin/v1/locations/:location/settings", admin.settings },
  { "PUT", "/admin/v1/locations/:location/settings", admin.put_settings },
}
