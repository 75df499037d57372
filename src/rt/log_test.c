/* src/rt/log_test.c */
#include "base/json.h"
#include "base/test.h"
#include "base/utf8.h"
#include "rt/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { CAPTURE_MAX = 262144 };

/* Lines go to a file of the test's directory until captured() gives them back. */
static int capture_fd;
static char capture_text[CAPTURE_MAX];

static void capture(enum log_format format)
{
    char path[300];

    snprintf(path, sizeof path, "%s/log", t_dir());
    capture_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    log_setup(LOG_LEVEL_INFO, format);
    log_fd_set(capture_fd);
}

static Str captured(void)
{
    ssize_t n = pread(capture_fd, capture_text, sizeof capture_text, 0);

    log_fd_set(2);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    close(capture_fd);
    return (Str){capture_text, n > 0 ? (size_t)n : 0};
}

static bool has(Str text, const char *what)
{
    return str_find(text, str_c(what)) != SIZE_MAX;
}

TEST(log_writes_json_fields_of_each_kind)
{
    capture(LOG_FORMAT_JSON);
    LOG_WARN("a \"quoted\" message", L_STR("who", S("x\ny")), L_INT("n", -5), L_DOUBLE("d", 1.5));
    Str s = captured();
    t_expect(str_starts(s, S("{\"time\":\"2")));
    t_expect(has(s, "\"level\":\"warn\",\"msg\":\"a \\\"quoted\\\" message\""));
    t_expect(has(s, "\"who\":\"x\\ny\",\"n\":-5,\"d\":1.5}\n"));
}

TEST(log_writes_text_with_quotes_where_needed)
{
    capture(LOG_FORMAT_TEXT);
    LOG_INFO("listening", L_STR("address", S("127.0.0.1:80")), L_STR("why", S("two words")),
             L_STR("empty", S("")));
    Str s = captured();
    t_expect(has(s, " INFO  listening "));
    t_expect(has(s, " address=127.0.0.1:80 why=\"two words\" empty=\"\"\n"));
}

TEST(log_leaves_out_what_is_below_the_threshold)
{
    capture(LOG_FORMAT_TEXT);
    LOG_DEBUG("hidden");
    LOG_ERROR("shown");
    Str s = captured();
    t_expect(!has(s, "hidden"));
    t_expect(has(s, "ERROR shown\n"));
}

TEST(log_escapes_control_and_direction_characters)
{
    capture(LOG_FORMAT_JSON);
    LOG_INFO("m", L_STR("v", S("\x1b[2J\x7f\xc2\x85\xe2\x80\xae|\xe2\x82\xac\xff|\0end")));
    Str s = captured();
    t_expect(has(s, "\\u001b[2J\\u007f\\u0085\\u202e|\xe2\x82\xac\xef\xbf\xbd|\\u0000end"));
    t_expect(utf8_valid(s));
}

TEST(log_never_shows_a_registered_secret)
{
    capture(LOG_FORMAT_JSON);
    log_scrub(S("sk-live-12345"));
    log_scrub(S("sk-live-12345-longer"));
    log_scrub(S("12345")); /* too short to be a secret */
    LOG_INFO("with sk-live-12345 inside", L_STR("a", S("sk-live-12345sk-live-12345")),
             L_STR("b", S("x sk-live-12345-longer y")), L_STR("c", S("12345")));
    log_unscrub(S("sk-live-12345"));
    log_unscrub(S("sk-live-12345-longer"));
    LOG_INFO("after", L_STR("d", S("sk-live-12345")));
    Str s = captured();
    t_expect(has(s, "\"with *** inside\""));
    t_expect(has(s, "\"a\":\"******\""));
    t_expect(has(s, "\"b\":\"x *** y\""));
    t_expect(has(s, "\"c\":\"12345\""));
    t_expect(has(s, "\"d\":\"sk-live-12345\""));
}

TEST(log_hides_a_secret_that_was_registered_twice_until_both_are_gone)
{
    log_scrub(S("twice-told"));
    log_scrub(S("twice-told"));
    log_unscrub(S("twice-told"));
    capture(LOG_FORMAT_TEXT);
    LOG_INFO("m", L_STR("v", S("twice-told")));
    log_unscrub(S("twice-told"));
    Str s = captured();
    t_expect(has(s, "v=***\n"));
}

TEST(log_hides_the_head_of_a_secret_at_the_end_of_a_cut_text)
{
    log_scrub(S("password-of-great-length"));
    char pad[ERR_TEXT_MAX];
    memset(pad, 'x', sizeof pad);
    pad[ERR_TEXT_MAX - 10] = 0;
    capture(LOG_FORMAT_TEXT);
    Err e = err_set(E_IO, "%s%s", pad, "password-of-great-length");
    LOG_ERROR("m", L_ERR(e));
    log_unscrub(S("password-of-great-length"));
    Str s = captured();
    t_expect(has(s, "error=E_IO detail=xxx"));
    t_expect(has(s, "xxx***"));
    t_expect(!has(s, "passwo"));
}

TEST(log_cuts_a_long_line_and_says_so)
{
    char *big = malloc(100000);
    memset(big, '"', 100000);
    capture(LOG_FORMAT_JSON);
    LOG_INFO("m", L_INT("first", 1), L_STR("big", ((Str){big, 100000})), L_INT("last", 2));
    Str s = captured();
    free(big);
    t_expect(s.n <= 8192 && s.n > 8000);
    t_expect(str_ends(s, S("...\",\"cut\":true}\n")));
    t_expect(has(s, "\"first\":1"));
    t_expect(!has(s, "\"last\""));
}

TEST(log_counts_lines_that_could_not_be_written)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    t_expect(full >= 0);
    capture(LOG_FORMAT_JSON);
    log_fd_set(full);
    LOG_INFO("one");
    LOG_INFO("two");
    log_fd_set(capture_fd);
    LOG_INFO("three");
    LOG_INFO("four");
    Str s = captured();
    close(full);
    t_expect(has(s, "\"msg\":\"three\",\"lost_lines\":2}\n"));
    t_expect(has(s, "\"msg\":\"four\"}\n"));
}

static void *write_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        LOG_INFO("from a thread", L_INT("i", i), L_STR("pad", S("..............................")));
    return NULL;
}

TEST(log_lines_of_several_threads_do_not_mix)
{
    pthread_t threads[4];
    size_t lines = 0;
    Str line;

    capture(LOG_FORMAT_TEXT);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    Str s = captured();
    for (Str rest = s; rest.n;) {
        rest = str_cut(rest, '\n', &line);
        t_expect(str_starts(line, S("2")));
        t_expect(str_ends(line, S(" pad=..............................")));
        lines++;
    }
    t_expect_int(lines, 800);
}
