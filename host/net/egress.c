#include "net/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A run of addresses. IPv4 is held as IPv4-mapped IPv6 (::ffff:0:0/96), so that there is one kind of each. */
struct block {
    uint8_t address[16];
    unsigned prefix; /* bits, of 128 */
};

struct egress {
    struct block *allowed;
    size_t count;
};

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
#define IPV4(a, b, c, prefix)               \
    {                                       \
        {MAPPED, a, b, c, 0}, 96 + (prefix) \
    }

/* IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its updates), and multicast. */
static const struct block ipv4_not_public[] = {
    IPV4(0, 0, 0, 8),       /* this network; 0.0.0.0 reaches this machine */
    IPV4(10, 0, 0, 8),      /* private */
    IPV4(100, 64, 0, 10),   /* carrier-grade NAT */
    IPV4(127, 0, 0, 8),     /* loopback */
    IPV4(169, 254, 0, 16),  /* link-local; the metadata services of clouds */
    IPV4(172, 16, 0, 12),   /* private */
    IPV4(192, 0, 0, 24),    /* IETF protocol assignments */
    IPV4(192, 0, 2, 24),    /* documentation */
    IPV4(192, 88, 99, 24),  /* 6to4 relays, withdrawn */
    IPV4(192, 168, 0, 16),  /* private */
    IPV4(198, 18, 0, 15),   /* benchmarking */
    IPV4(198, 51, 100, 24), /* documentation */
    IPV4(203, 0, 113, 24),  /* documentation */
    IPV4(224, 0, 0, 4),     /* multicast */
    IPV4(240, 0, 0, 4),     /* reserved, and broadcast */
};

/* Only 2000::/3 is handed out for global use (RFC 4291, IANA IPv6 Global Unicast Address Assignments): it
 * leaves out
 * ::, ::1, fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64 and whatever will be invented outside of it. */
static const struct block ipv6_public = {{0x20}, 3};
static const struct block ipv6_not_public[] = {
    {{0x20, 0x01, 0x00}, 23},       /* IETF protocol assignments, Teredo (tunnels to any IPv4 address) */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: tunnels to any IPv4 address */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation (RFC 9637) */
};
static const struct block ipv4_mapped = {{MAPPED}, 96};
static const struct block nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* RFC 6052: ends in an IPv4 address */

static bool block_holds(const struct block *block, const uint8_t address[16])
{
    unsigned bytes = block->prefix / 8, bits = block->prefix % 8;
    if (memcmp(block->address, address, bytes) != 0)
        return false;
    return bits == 0 || ((block->address[bytes] ^ address[bytes]) >> (8 - bits)) == 0;
}

static bool blocks_hold(const struct block *blocks, size_t count, const uint8_t address[16])
{
    for (size_t i = 0; i < count; i++)
        if (block_holds(&blocks[i], address))
            return true;
    return false;
}

#define BLOCKS_HOLD(blocks, address) blocks_hold((blocks), sizeof(blocks) / sizeof *(blocks), (address))

static void address_from_ipv4(uint8_t address[16], const void *four_bytes)
{
    memcpy(address, ipv4_mapped.address, 12);
    memcpy(address + 12, four_bytes, 4);
}

static bool permits(const struct egress *egress, const uint8_t address[16])
{
    if (blocks_hold(egress->allowed, egress->count, address))
        return true;
    if (block_holds(&ipv4_mapped, address))
        return !BLOCKS_HOLD(ipv4_not_public, address);
    if (block_holds(&nat64, address)) {
        uint8_t embedded[16];
        address_from_ipv4(embedded, address + 12);
        return permits(egress, embedded);
    }
    return block_holds(&ipv6_public, address) && !BLOCKS_HOLD(ipv6_not_public, address);
}

bool egress_permits(const struct egress *egress, const struct sockaddr *address)
{
    uint8_t bytes[16];
    if (address->sa_family == AF_INET)
        address_from_ipv4(bytes, &((const struct sockaddr_in *)address)->sin_addr);
    else if (address->sa_family == AF_INET6)
        memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof bytes);
    else
        return false;
    return permits(egress, bytes);
}

/* The bits of the address' own family (32 or 128), or 0 where it is none. */
static unsigned address_parse(const char *text, uint8_t address[16])
{
    struct in_addr ipv4;
    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        address_from_ipv4(address, &ipv4);
        return 32;
    }
    return inet_pton(AF_INET6, text, address) == 1 ? 128 : 0;
}

bool egress_permits_text(const struct egress *egress, const char *address)
{
    uint8_t bytes[16];
    return address_parse(address, bytes) != 0 && permits(egress, bytes);
}

static bool block_parse(char *text, struct block *block)
{
    char *slash = strchr(text, '/');
    if (slash != NULL)
        *slash = '\0';
    unsigned bits = address_parse(text, block->address);
    if (slash != NULL)
        *slash = '/';
    if (bits == 0)
        return false;
    unsigned prefix = bits;
    if (slash != NULL) {
        char after;
        if (strlen(slash + 1) > 3 || strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
            sscanf(slash + 1, "%u%c", &prefix, &after) != 1 || prefix > bits)
            return false;
    }
    block->prefix = 128 - bits + prefix;
    return true;
}

static int egress_allow(struct egress *egress, char *list, struct error *error)
{
    char *rest = NULL;
    for (char *part = strtok_r(list, ", \t", &rest); part != NULL; part = strtok_r(NULL, ", \t", &rest)) {
        struct block block;
        if (!block_parse(part, &block))
            return error_set(error, ERROR_INVALID, "'%.64s' is not an address or a CIDR such as 10.0.0.0/8",
                             part);
        egress->allowed = memory_resize(egress->allowed, (egress->count + 1) * sizeof block);
        egress->allowed[egress->count++] = block;
    }
    return 0;
}

struct egress *egress_new(const char *allow, struct error *error)
{
    struct egress *egress = memory_allocate(sizeof *egress);
    char *list = text_duplicate(allow == NULL ? "" : allow);
    if (egress_allow(egress, list, error) != 0) {
        egress_free(egress);
        egress = NULL;
    }
    free(list);
    return egress;
}

void egress_free(struct egress *egress)
{
    if (egress == NULL)
        return;
    free(egress->allowed);
    free(egress);
}
