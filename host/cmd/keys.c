/* bascule keys: makes sealing keys, and moves what is stored under the first one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/program.h"
#include "crypto/random.h"

#define TRIES 5 /* of one installation whose tokens are refreshed meanwhile */

struct rotation {
    struct program *program;
    struct store_session *session;
    unsigned current, resealed, failed;
};

static int make_key(void)
{
    crypto_start();
    char *key = seal_keys_generate();
    puts(key);
    free(key);
    return EXIT_DONE;
}

/* The same secret under the first key, or NULL where there is none or no key opens it. Says which. */
static char *reseal(struct rotation *rotation, const char *what, const char *context, const char *sealed)
{
    struct error error;
    struct buffer secret = {0};
    const struct seal_keys *keys = rotation->program->seal_keys;
    char *fresh = NULL;
    if (seal_open(keys, context, sealed, &secret, &error) == 0)
        fresh = seal_close(keys, context, (struct slice){secret.data, secret.length});
    else
        command_fail(&command_keys, 0, "%s: %s", what, error.message);
    if (secret.data != NULL)
        explicit_bzero(secret.data, secret.length);
    buffer_deinit(&secret);
    return fresh;
}

static bool is_current(const struct rotation *rotation, const char *sealed)
{
    return sealed == NULL || seal_is_current(rotation->program->seal_keys, sealed);
}

static char *reseal_token(struct rotation *rotation, const struct store_installation *installation,
                          const char *which, const char *sealed)
{
    if (sealed == NULL)
        return NULL;
    struct buffer context = {0}, what = {0};
    script_token_context(&context, installation->company, installation->location, which);
    buffer_append_format(&what, "the %s token of company '%s', location '%s'", which, installation->company,
                         installation->location);
    char *fresh = reseal(rotation, what.data, context.data, sealed);
    buffer_deinit(&context);
    buffer_deinit(&what);
    return fresh;
}

static enum store_status rotate_tokens(struct rotation *rotation,
                                       const struct store_installation *installation)
{
    char *access = reseal_token(rotation, installation, "access", installation->access_token);
    char *refresh = reseal_token(rotation, installation, "refresh", installation->refresh_token);
    bool whole = (access != NULL || installation->access_token == NULL) &&
                 (refresh != NULL || installation->refresh_token == NULL);
    enum store_status status = STORE_NOT_FOUND;
    if (whole)
        status = store_installation_reseal(rotation->session, installation->company, installation->location,
                                           installation->version, access, refresh);
    free(access);
    free(refresh);
    return status;
}

/* A refresh between the reading and the writing leaves tokens under the first key already, or is to be read
 * again. */
static void rotate_installation(struct rotation *rotation, const struct store_installation *listed)
{
    enum store_status status = STORE_CONFLICT;
    for (int i = 0; i < TRIES && status == STORE_CONFLICT; i++) {
        struct store_installation installation = {0};
        status = store_installation_get(rotation->session, listed->company, listed->location, &installation);
        if (status != STORE_OK)
            break;
        bool current = is_current(rotation, installation.access_token) &&
                       is_current(rotation, installation.refresh_token);
        if (!current)
            status = rotate_tokens(rotation, &installation);
        store_installation_deinit(&installation);
        if (current) {
            rotation->current++;
            return;
        }
    }
    if (status == STORE_OK)
        rotation->resealed++;
    else
        rotation->failed++;
}

static void rotate_setting(struct rotation *rotation, const struct store_setting *setting)
{
    if (!setting->sealed)
        return;
    if (is_current(rotation, setting->value)) {
        rotation->current++;
        return;
    }
    struct buffer context = {0}, what = {0};
    script_setting_context(&context, setting->scope, setting->name);
    buffer_append_format(&what, "the setting %s of %s", setting->name, setting->scope);
    char *fresh = reseal(rotation, what.data, context.data, setting->value);
    enum store_status status = STORE_FAILED;
    if (fresh != NULL)
        status =
            store_setting_put(rotation->session, setting->scope, setting->name, fresh, true, clock_wall_ms());
    if (status == STORE_OK)
        rotation->resealed++;
    else
        rotation->failed++;
    free(fresh);
    buffer_deinit(&context);
    buffer_deinit(&what);
}

static int rotate_all(struct rotation *rotation)
{
    struct store_installation_list installations = {0};
    struct store_setting_list settings = {0};
    if (store_installation_list(rotation->session, NULL, &installations) != STORE_OK ||
        store_setting_list(rotation->session, NULL, &settings) != STORE_OK)
        return command_fail(&command_keys, EXIT_FAULT, "%s", store_session_error(rotation->session));
    for (size_t i = 0; i < installations.count; i++)
        rotate_installation(rotation, &installations.items[i]);
    for (size_t i = 0; i < settings.count; i++)
        rotate_setting(rotation, &settings.items[i]);
    store_installation_list_deinit(&installations);
    store_setting_list_deinit(&settings);
    printf("%u sealed anew, %u already under the first key, %u failed\n", rotation->resealed,
           rotation->current, rotation->failed);
    return rotation->failed == 0 ? EXIT_DONE : EXIT_FAULT;
}

static int rotate(void)
{
    struct program program;
    struct error error;
    struct rotation rotation = {.program = &program};
    int status = program_configure(&program, &command_keys);
    if (status == EXIT_DONE)
        status = program_read_seal_keys(&program, true);
    if (status == EXIT_DONE)
        status = program_open_store(&program);
    if (status == EXIT_DONE && store_session_open(program.store, &rotation.session, &error) != 0)
        status = command_fail(&command_keys, EXIT_FAULT, "%s", error.message);
    if (status == EXIT_DONE)
        status = rotate_all(&rotation);
    if (rotation.session != NULL)
        store_session_close(rotation.session);
    program_close(&program);
    return status;
}

static int run(int argc, char **argv)
{
    const char *word = NULL;
    const struct option_rule rules[] = {{.name = NULL}};
    int count = command_read(&command_keys, argc, argv, rules, &word, 1);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count == 1 && strcmp(word, "new") == 0)
        return make_key();
    if (count == 1 && strcmp(word, "rotate") == 0)
        return rotate();
    return command_fail(&command_keys, EXIT_CONFIGURATION, "new or rotate? (see bascule keys --help)");
}

const struct command command_keys = {
    .name = "keys",
    .summary = "make a sealing key; move what is stored under a new one",
    .help = "usage: bascule keys new\n"
            "       bascule keys rotate\n\n"
            "new      prints a new key for BASCULE_SEAL_KEYS. To change keys, put the new one first and keep "
            "the old\n"
            "         one behind it, separated by a comma; restart every process; then rotate.\n"
            "rotate   seals every stored token and secret setting under the first key of BASCULE_SEAL_KEYS. "
            "When it\n"
            "         says that none failed, the old keys may go. It may run beside the server.\n"
            "\nExamples:\n"
            "  export BASCULE_SEAL_KEYS=$(bascule keys new)\n",
    .run = run,
};
