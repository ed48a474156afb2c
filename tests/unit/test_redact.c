/* What a trace must not hold: secrets in command lines and URLs, in many forms; and what only looks
 * like one. */
#include "agent/base/redact.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char text[8192];

/* Arguments are divided by '|'. */
static const char *arguments(const char *s)
{
    struct st_redactor r = {NULL, ST_NEXT_ANY};
    struct st_text out = {text, sizeof(text), 0};
    text[0] = 0;
    for (;;) {
        size_t n = strcspn(s, "|");
        st_redact_argument(&r, s, n, &out);
        if (!s[n])
            return text;
        st_text_char(&out, '|');
        s += n + 1;
    }
}

static const char *command(const char *s)
{
    struct st_text out = {text, sizeof(text), 0};
    text[0] = 0;
    st_redact_command(s, strlen(s), &out);
    return text;
}

static const char *name(const char *s)
{
    struct st_text out = {text, sizeof(text), 0};
    text[0] = 0;
    st_redact_name(s, strlen(s), &out);
    return text;
}

START_TEST(secrets_in_arguments)
{
    static const char *const forms[] = {
        "x|--password=S3",
        "x|--password|S3",
        "x|--password|-S3x",
        "x|--db-password=S3",
        "x|-password|S3",
        "x|--token|S3|--port|80",
        "x|--api-key=S3",
        "x|--apikey|S3",
        "x|--apiKey|S3",
        "x|--access_token=S3",
        "x|--client-secret|S3",
        "x|--passwd=S3",
        "x|--pwd|S3",
        "x|--credentials=S3",
        "x|--auth=S3",
        "x|--key|S3",
        "x|--secret=two S3",
        "x|PASSWORD=S3",
        "env|PGPASSWORD=S3|psql",
        "env|AWS_SECRET_ACCESS_KEY=S3|x",
        "x|SECRET_KEY_BASE=S3",
        "x|MYSQL_PWD=S3",
        "java|-Ddb.password=S3|-jar|a",
        "x|--password|--token|S3",
        "x|-e|TOKEN=S3",
        "x|--env=API_TOKEN=S3",
        "mysql|-u|root|-pS3",
        "/usr/bin/mysqldump|-pS3|shop",
        "sudo|mysql|-pS3",
        "sshpass|-p|S3|ssh",
        "sshpass|-pS3|ssh",
        "curl|-u|me:S3|http://h/",
        "curl|-ume:S3|http://h/",
        "curl|--user|me:S3",
        "curl|--user=me:S3",
        "redis-cli|-a|S3",
        "curl|-H|Authorization: Bearer S3",
        "curl|-H|Authorization: Basic S3",
        "curl|-H|X-Api-Key: S3",
        "curl|-H|X-Auth-Token:S3",
        "curl|-d|{\"user\": \"me\", \"password\": \"S3\"}",
        "curl|-d|{\"password\":\"S3\"}",
        "curl|-d|user=me&password=S3",
        "x|host=db password=S3 dbname=shop",
        "x|host=db password='S3 S3'",
        "x|postgres://me:S3@db/shop",
        "x|--url=redis://:S3@h:6379/0",
        "x|amqp://me:p@S3@h/",
        "x|http://me:S/3@h/",
        "x|http://me:S3",
        "x|http://h/?token=S3&a=b",
        "x|https://h/a?a=b&api_key=S3",
        "x|https://S3S3S3S3S3S3S3S3S3S3@github.com/a",
        "sh|-c|mysql -pS3 shop",
        "sh|-c|PASSWORD=S3 ./x",
        "sh|-c|curl -H \"Authorization: Bearer S3\" h",
        "sh|-c|x --password 'S3'",
        "bash|-c|sh -c 'x --password S3'",
        "x|--token2=S3",
        "openssl|-passin|pass:S3",
        "x|--password=\"S3",
        "x|--secret|\xff\xfeS3",
        "x|{\"a\":{\"token\" : \"a\\\"S3\"}}",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const char *got = arguments(forms[i]);
        ck_assert_msg(!strstr(got, "S3") && strstr(got, "***"), "%s: %s", forms[i], got);
    }
}
END_TEST

START_TEST(innocents)
{
    static const char *const forms[] = {
        "x|--keyboard|us",
        "monkey|business",
        "tokenize|a.txt",
        "x|--keyboard=us",
        "x|--monkey|a",
        "x|--password-file|/run/secrets/db",
        "x|--max-tokens=512",
        "x|--tokenizer|bpe",
        "x|--author|me",
        "x|--no-password|-h|db",
        "http://host:8080/path",
        "http://me@host:8080/",
        "http://[::1]:80/",
        "python3|auth.py|--port|80",
        "python3|secret.py:31",
        "docker|run|secret:latest",
        "PWD=/srv/shop",
        "x|--passenger=3",
        "x|--secretary|Ann",
        "x|--compass|n",
        "tar|-pxf|a.tar",
        "ssh|-p|22|h",
        "x|--key-file=/k.pem",
        "x|--token-limit|5",
        "x|/etc/keys/a",
        "sort|-k2",
        "x|a=b&c=d",
        "",
        "x||",
        "it's|fine",
        "sh|-c|echo it's fine",
        "x|--turkey=1",
        "x|auth:8080",
        "x|user=me dbname=shop",
        "cp|-p|a|b",
        "x|mysql.py|-pa",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        ck_assert_str_eq(arguments(forms[i]), forms[i]);
}
END_TEST

START_TEST(what_is_left)
{
    ck_assert_str_eq(arguments("x|--password=a b|-v"), "x|--password=***|-v");
    ck_assert_str_eq(arguments("x|--password|a b|-v"), "x|--password|***|-v");
    ck_assert_str_eq(arguments("mysql|-u|root|-pX|shop"), "mysql|-u|root|-p***|shop");
    ck_assert_str_eq(name("https://u:p@h/a?token=x&b=c"), "https://u:***@h/a?token=***&b=c");
    ck_assert_str_eq(command("mysql -pX shop; ls"), "mysql -p*** shop; ls");
    ck_assert_str_eq(command("curl -H \"Authorization: Bearer X\" h"),
                     "curl -H \"Authorization: *** ***\" h");
    ck_assert_str_eq(name("/srv/shop.db"), "/srv/shop.db");
}
END_TEST

/* Whatever the bytes, it ends soon, and within its buffers. */
START_TEST(hostile)
{
    static const char bits[] = "\"'\\= :@/&-password key://{}\xff\n\t";
    char *s = malloc(4096);
    srandom(7);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)random() % 300;
        for (size_t i = 0; i < n; i++)
            s[i] = bits[(size_t)random() % (sizeof(bits) - 1)];
        char small[40];
        struct st_text out = {round % 2 ? small : text, round % 2 ? sizeof(small) : sizeof(text),
                              0};
        struct st_redactor r = {NULL, ST_NEXT_ANY};
        char *exact = malloc(n + 1);
        memcpy(exact, s, n);
        st_redact_argument(&r, exact, n, &out);
        free(exact);
    }
    memset(s, ':', 4096);
    for (size_t i = 0; i + 3 <= 4096; i += 3)
        memcpy(s + i, "://", 3);
    struct st_text out = {text, sizeof(text), 0};
    st_redact_command(s, 4096, &out);
    free(s);
}
END_TEST

START_TEST(hashes)
{
    char a[64], b[64], c[64];
    struct st_text ta = {a, sizeof(a), 0}, tb = {b, sizeof(b), 0}, tc = {c, sizeof(c), 0};
    st_hash_text("/srv/a", 6, "run", &ta);
    st_hash_text("/srv/a", 6, "run", &tb);
    st_hash_text("/srv/a", 6, "other", &tc);
    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, c);
    ck_assert_uint_eq(strlen(a), 13);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redact");
    TCase *tests = tcase_create("redact");
    tcase_add_test(tests, secrets_in_arguments);
    tcase_add_test(tests, innocents);
    tcase_add_test(tests, what_is_left);
    tcase_add_test(tests, hostile);
    tcase_add_test(tests, hashes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
