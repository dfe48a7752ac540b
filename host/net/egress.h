/* Where outbound requests may go. Public addresses only, so that a URL from outside (a webhook's attachment,
 * a rule's route) cannot reach this machine, its neighbours or a cloud's metadata service; and what the
 * operator allows beside them. It judges the address that a connection is made to, not the name: names may
 * resolve to anything, and to something else a second later. */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

struct egress;

/* `allow`: CIDRs or addresses, comma separated ("127.0.0.0/8, ::1, 10.2.0.0/16"); NULL or empty allows
 * nothing beside public addresses. NULL with an ERROR_INVALID that names the part at fault. */
struct egress *egress_new(const char *allow, struct error *error);
void egress_free(struct egress *egress);

/* Any thread. Only AF_INET and AF_INET6 can be permitted. */
bool egress_permits(const struct egress *egress, const struct sockaddr *address);
bool egress_permits_text(const struct egress *egress, const char *address); /* false where it is no address */

#endif
