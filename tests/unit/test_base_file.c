/* Reading files whole. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

static char path[] = "/tmp/bascule-file-XXXXXX";

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void test_all_bytes_are_read(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct stat stamp;
    write_file("a\0b\n", 4);
    assert_null(file_read(path, 4, &stamp, &text));
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.data, "a\0b\n", 4);
    assert_int_equal(stamp.st_size, 4);
    buffer_deinit(&text);
}

static void test_what_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct buffer text = {0};
    write_file("12345", 5);
    assert_string_equal(file_read(path, 4, NULL, &text), "the file is too large");
    assert_string_equal(file_read("/nonexistent", 4, NULL, &text), "No such file or directory");
    assert_non_null(file_read("/tmp", 4, NULL, &text));
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_bytes_are_read),
        cmocka_unit_test(test_what_cannot_be_read_is_told),
    };
    int descriptor = mkstemp(path);
    if (descriptor < 0)
        return 1;
    close(descriptor);
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return result;
}
