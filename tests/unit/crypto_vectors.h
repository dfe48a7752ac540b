/* Vectors that this program did not make itself.
 *
 * RFC 8032, section 7.1, for Ed25519. The others were made with the openssl command line (3.0): keys by
 * `openssl genpkey`, signatures of vector_body by `openssl dgst -sha256 -sign`, `openssl pkeyutl -sign
 * -rawin` and `openssl dgst -hmac`; vector_p256_raw is vector_p256_der taken apart by Python's cryptography.
 * The private keys were thrown away. */
#ifndef CRYPTO_VECTORS_H
#define CRYPTO_VECTORS_H

struct rfc8032_vector {
    const char *seed, *public_key, *message, *signature; /* hex */
};

static const struct rfc8032_vector rfc8032_vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "eb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d442"
     "3643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179"
     "c138ac17ad9bef1177331a704"},
};

static const char vector_body[] = "{\"contactId\":\"ct1\",\"locationId\":\"loc1\",\"messageId\":\"msg1\","
                                  "\"type\":\"SMS\",\"phone\":\"+639171234567\","
                                  "\"message\":\"Kumusta \xF0\x9F\x99\x82"
                                  "\",\"attachments\":[],\"userId\":\"usr1\"}";

static const char vector_ed25519_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MCowBQYDK2VwAyEA0SbJ8T/OkCvRZyE50Pi9ClvI4v9r+Mx0VYRCLXbQKJ8=\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_ed25519_signature[] =
    "ToA3cDzyMFU8DqYrwcXYSbhLn8I8TDAF7LdCdnweKuWbAT5u2jALUFpX3tF3TLKQ/wm/zDHWuZ5JXF7M32vZDg==";

static const char vector_rsa2048_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1uc16Mr97ayivr9KVHMA\n"
                                         "9pxEIS7uRNlfBKlnlGknTJ7AZDantBXd3fzx99HGuEOGBagDej4G1Amwbs6SHd4S\n"
                                         "GIlrYmKi1M8SBU2urazK8c5Zcw3+A5Z54+SvPHVhl4oUb+ucGVszVzBgEcfjxW4v\n"
                                         "ZrK5qiRHcQaTVCH57fGxy1irpEE0hR9KTk/gNeW8r82d3I/DPBIf4m15vM5O1/OW\n"
                                         "lV8SySymKajKiBWMM+rduP9Q3Cw+1p1B9G+7s6pLnsB5L7o4GmQaOufSyuz04OVz\n"
                                         "ZhThB7ronn5Ts3kP7gcZR/QhosSfsocPW1Gj19PTkeuRNRi1AsId4Tp7pmxywfLY\n"
                                         "JQIDAQAB\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_rsa2048_signature[] =
    "POIEoaa0aHBd4xUobGvCiCzTWdstRi8nRaoxo/BsDDotahxe3BtF0Q8mvGiqVeSK3LzVzFnlcz2XRjIYKLGrHZf8dc7Qi/3j"
    "1P63looaJnYjH9CAnGaY3L/QNDx21J5KHrWTuO4tUAPsdxSMoooWJQ2M/OL3c9gA0Rj4ZDXwWQ3EsQZ0ACIAr/Hw+H737Rp4"
    "TzAMz7eYohNZJzCiFiuybrFQ6D26PcEAA8yjpa33Uez9wavV3v6xh3tbPEtP0fi/y74HAYKRnpOWfjYWGIQ+RAcNBfr38QSc"
    "rITKA4Ox885+iJSkijigpN3zm+1EfCBGFdLPvgGYtHuXd1JOSOHY2w==";

static const char vector_rsa4096_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEApArsu1nRWa/BYUom/EYs\n"
                                         "9y0wVE11zOBzv5y1fJJEMRfhhrTiDQEYFED+D6t0B4WZsvRdLOOMGRBwnfLOyDjK\n"
                                         "i+lmr9ruQ0i7s8JJ08+ASTHMrbc5InhFAEgMZrl139/+LDQZYanXdDiRyik9PfhX\n"
                                         "720PCbVUQFvCVPQQtmCj8pTDlxmLGrA298fcpmMpDlaeobF8aCDboiKLZksbid/w\n"
                                         "0T9iiPdk8eWEbyFPYNcVGW+3qxTW+p29XjLyvYw8rvpzlkvNAfMzxKxq1qYNabjg\n"
                                         "16GJ33Tw9j2lEd1oVJ8/L+jGN/hXHyULOTYKIB1wFPd6OYsNEZovcOPMEIYb0kj3\n"
                                         "EF+8ARxVF/3uHXxyc1Sz7dotm26xS1pi8hlNpgCBzc65AmALiEb1TVtPZaK28hSe\n"
                                         "SCmikntDkNLzQNh2JXhtRP0zImKPkQO+nshZtb0CVf2zp02XRmF9v3imtsgJLOcN\n"
                                         "BjFvwkGfyU97H37b4/hvXHVfzev8FAVFKqSubdohUUFwhFKohXqTxdEb8qaB56gq\n"
                                         "SN2OQnkWi1IMmDlUj1x7oLGodS92O1nN83FYLffYDDF53O0IO/VnUhZIohQ0fWqk\n"
                                         "w8P4W0rnQgdDi936ozggmM8nX8rV79JH1uPal5INLSdmDQ3HBwTqS/Bwm/YcaBkr\n"
                                         "aIebgPFxGYJ59Q7yEqTEoBkCAwEAAQ==\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_rsa4096_signature[] =
    "ML7Q/SPdz1rH3uU/cjnyP5Xwwt7GSeDmFb3X07EUXnSCyMFyos7HD90P52MX6Pk7dxl/Sbc+TT9rJxfShQyXVseU+raBWOr4"
    "yJavgQSuZLOTZN0+Z40V9fcmbgsQ45uAnJyAZhNOx8hA8eyqLD/Wi/xzXkaIOqBWevdcCpSFUi+WGHQYHGM3Tvgeh+7I+6+t"
    "6KTw/nSu9DVwRslgmDnYNygG9UNnm98JpQ12c3rb8IKq8d96eZ31Kx0r4GHSwFbmVeJxjpAMYUTMzrs+pCGA4mhZHOM/DCbs"
    "H7TCIMmNwDGSDTCyTVrP2xTUVMLIPBLCq6xrRZc1b6PGMWD5sgYibhZR8lUbuCnkLxCA/DZfqcTtavDPKJHAin4vNgSMdK5u"
    "XtgM322U0+n9+jWr/sh5wK1YNd38fota35hUfssDXx3LwHiMqNGsae6I8SPp6Vo82QbthKz0wdYTW8g/VDKxqMdI0EBwfGDe"
    "KIxU/5RJCGeAdW3zKw42B+wJf/up0MGaU1UGW7uESJcGk8xQsYRDa3nheu5HnVz3r/14B6xCBAYOz5K0eO6ciuT7h1A0T6f5"
    "RrDljQ2k4M25ygf5ErTxafjLMoRlapYQDkU4m/ebKWCx/dQ+W37C8SNI2ECfxlX3fJaz+HfvNz8u/7SZTvXpCvlnJGBJylKx"
    "n/NzWCdUJh8=";

static const char vector_p256_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfWJOc2sxYJzRLzAb+28DtsWCqZ8n\n"
                                      "ZZO0tfGUE+0yIkDpRUMjUPS2DO8eKx74Nds9dmZdm+VISo8jPqOy8fLZMA==\n"
                                      "-----END PUBLIC KEY-----\n";

static const char vector_p256_der[] =
    "MEQCICjJlU7NdVlXgT2I3OX6R5eZbiWXOb9z7KCat4d5Fb07AiByRJwfsd+XoId/VASvgXG3tqcXhf0Fvv9B6RHPEQIMPA==";

static const char vector_p256_raw[] =
    "KMmVTs11WVeBPYjc5fpHl5luJZc5v3PsoJq3h3kVvTtyRJwfsd+XoId/VASvgXG3tqcXhf0Fvv9B6RHPEQIMPA==";

static const char vector_hmac_secret[] = "a shared secret";
static const char vector_hmac_hex[] = "4eadc89e2e4031369fb0fc2f5776f008a93150dc67b24a48bc13111a775758c9";

static const char vector_hmac_base64[] = "Tq3Ini5AMTafsPwvV3bwCKkxUNxnskpIvBMRGndXWMk=";

/* Keys that must be refused. */
static const char vector_rsa1024_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCXaKZpew4+43MNL+7kfvH2TexO\n"
                                         "99/d9gSkvT2/YVFlZl7wkuyxTQvhZyQu8BvHcYzpqtIyxcUVh1LPXmtQooILRUf7\n"
                                         "CYkhpeJYmKisF9YRyh4t7ea6OEaD4G/goo/jzYnubAvpkAR0L/zNsnPvmM/7aySt\n"
                                         "zqJTApHgYo2RUN4OnwIDAQAB\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_p384_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                      "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEVf6mqWqFJBYLEZzXPDUTePmBWwSfX8fc\n"
                                      "JdjDrlHTPVvjwyJeLSvbpJD0aK7txOKvH1r9OrGv8hPnhpyA0+hFfQJw/rbzr9H3\n"
                                      "UGp4gHWkzUTQVcmHqBWm9gRoSJwpseFJ\n"
                                      "-----END PUBLIC KEY-----\n";

static const char vector_x25519_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                        "MCowBQYDK2VuAyEAtwocDZLi996Zqj2D9r5ezCPhUzeey7QcPgfAIPgB0j0=\n"
                                        "-----END PUBLIC KEY-----\n";

#endif
