/* GoHighLevel's published webhook keys ("Webhook Integration Guide" and "ProviderOutboundMessage",
 * marketplace documentation, 2026-08). Copies with a letter too many or too few circulate: the unit test
 * holds the fingerprints. GHL announces a rotation by e-mail only, so an operator can replace both
 * (GHL_WEBHOOK_PUBLIC_KEYS). */
#include "crypto/signature.h"

/* First Ed25519, for X-GHL-Signature; then RSA-4096, for the legacy X-WH-Signature. */
const char signature_ghl_keys[] = "-----BEGIN PUBLIC KEY-----\n"
                                  "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=\n"
                                  "-----END PUBLIC KEY-----\n"
                                  "-----BEGIN PUBLIC KEY-----\n"
                                  "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSC\n"
                                  "Frm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4XHIcBOK4u3cLSqJGOLaPuXw6\n"
                                  "dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfB\n"
                                  "csedpinheNnyYeFXolrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpv\n"
                                  "uxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQGNHOs8gF\n"
                                  "3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKU\n"
                                  "J062fRtN+rLYZUV+BjafxQauvC8wSWeYja63VSUruvmNj8xkx2zE/Juc+yjLjTXp\n"
                                  "IocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzN\n"
                                  "h/AMfHKIjE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhC\n"
                                  "HULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU53lDza6/Y09T7sYJ\n"
                                  "PQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAyk\n"
                                  "T1hhTiaCeIY/OwwwNUY2yvcCAwEAAQ==\n"
                                  "-----END PUBLIC KEY-----\n";
