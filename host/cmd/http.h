/* The HTTP loops of a program: each with scripts of its own, all requests to bascule's Lua. */
#ifndef CMD_HTTP_H
#define CMD_HTTP_H

#include "net/http_server.h"
#include "script/script.h"

/* Fills the limits from the settings, and the handlers that run `host`'s scripts. Addresses are the caller's.
 */
void http_options_fill(struct http_server_options *options, struct script_host *host);

#endif
