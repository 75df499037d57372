/* src/main/config_test.c */
#include "base/test.h"
#include "main/config_private.h"
#include "rt/log.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* One attempt to configure: the sources, and what came of it. */
struct attempt {
    const char *yaml; /* NULL: no file */
    const char *env[8];
    struct config_flag flags[4];
    struct config config;
    Str complaints;
    Err e;
};

static Str write_file(const char *name, const char *text)
{
    Str path = str_fmt(t_arena(), "%s/%s", t_dir(), name);
    FILE *f = fopen(str_dup_c(t_arena(), path), "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        DIE("cannot write %.*s", P(path));
    return path;
}

static void load(struct attempt *t)
{
    struct buf *complaints = arena_new_of(t_arena(), struct buf);
    struct config_input in = {.env = t->env, .flags = t->flags, .complaints = complaints};

    buf_init(complaints, KIB(64));
    while (in.n_flags < ARRAY_LEN(t->flags) && t->flags[in.n_flags].name)
        in.n_flags++;
    if (t->yaml)
        in.file = write_file("heddle.yaml", t->yaml);
    t->e = config_load(t_arena(), &in, &t->config);
    t->complaints = str_dup(t_arena(), buf_str(complaints));
    buf_done(complaints);
}

static bool complains(const struct attempt *t, const char *what)
{
    if (t->e == E_INVALID && str_find(t->complaints, str_c(what)) != SIZE_MAX)
        return true;
    printf("complaints were:\n%.*s", P(t->complaints));
    return false;
}

/* How many complaints there are. */
static size_t count(Str lines)
{
    size_t n = 0;

    for (size_t i = 0; i < lines.n; i++)
        n += lines.p[i] == '\n';
    return n;
}

TEST(config_defaults_are_all_valid)
{
    struct attempt t = {0};

    load(&t);
    t_expect_ok(t.e);
    t_expect_str(t.config.listen, S("127.0.0.1:3000"));
    t_expect_int(t.config.drain_timeout, 30 * USEC_S);
    t_expect_int(t.config.limits.header, 32 * 1024);
    t_expect_int(t.config.log.level, LOG_LEVEL_INFO);
    t_expect_int(t.config.log.format, LOG_FORMAT_TEXT);
    t_expect(!t.config.database.relaxed);
    t_expect_str(config_database(t_arena(), &t.config), S("data/heddle.db"));
    t_expect_int(t.config.file.n, 0);
}

TEST(config_flag_beats_environment_beats_file_beats_default)
{
    struct attempt t = {
        .yaml = "listen: 0.0.0.0:1\nlog:\n  level: warn\n  format: json\ndata: from-file\n",
        .env = {"HEDDLE_LISTEN=0.0.0.0:2", "HEDDLE_LOG_LEVEL=error"},
        .flags = {{"listen", S_INIT("0.0.0.0:3")}},
    };

    load(&t);
    t_expect_ok(t.e);
    t_expect_str(t.config.listen, S("0.0.0.0:3"));
    t_expect_int(t.config.log.level, LOG_LEVEL_ERROR);
    t_expect_int(t.config.log.format, LOG_FORMAT_JSON);
    t_expect_str(t.config.data, S("from-file"));
    t_expect_int(t.config.origin[0].source, CONFIG_FLAG);
    t_expect_str(t.config.origin[0].where, S("--listen"));
}

TEST(config_value_overridden_by_a_stronger_source_is_still_checked)
{
    struct attempt t = {.yaml = "log.level: loud\n", .env = {"HEDDLE_LOG_LEVEL=info"}};

    load(&t);
    t_expect(
        complains(&t, "heddle.yaml:1: log.level: \"loud\" is none of debug, info, warn, error"));
}

TEST(config_file_is_looked_for_in_the_data_directory)
{
    struct attempt t = {0};

    (void)write_file("heddle.yaml", "retention:\n  days: 7\n"); /* found by its place */
    t.flags[0] = (struct config_flag){"data", str_c(t_dir())};
    load(&t);
    t_expect_ok(t.e);
    t_expect_int(t.config.retention.days, 7);
    t_expect(str_ends(t.config.file, S("/heddle.yaml")));
}

TEST(config_file_in_the_data_directory_cannot_move_the_data_directory)
{
    struct attempt t = {0};
    Str env = str_fmt(t_arena(), "HEDDLE_DATA=%s", t_dir());

    (void)write_file("heddle.yaml", "data: elsewhere\n"); /* found by its place */
    t.env[0] = str_dup_c(t_arena(), env);
    load(&t);
    t_expect(complains(&t, "cannot say where the data directory is"));
}

/* In a child that is nobody, as root may read everything: 0 if @in gives this listen address. */
static int load_as_nobody(const struct config_input *in, Str listen)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct config config;
        if (getuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        _exit(chdir(t_dir()) != 0 || config_load(t_arena(), in, &config) != OK ||
              !str_eq(config.listen, listen));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(config_default_data_directory_of_somebody_else_is_passed_over)
{
    AUTO_BUF(complaints, KIB(4));
    struct config_flag flag = {"data", S_INIT("data")};
    struct config_input in = {.complaints = &complaints};

    in.system_file = write_file("system.yaml", "listen: 127.0.0.1:7\n");
    const char *folder = str_dup_c(t_arena(), str_fmt(t_arena(), "%s/data", t_dir()));
    t_expect(mkdir(folder, 0700) == 0);
    (void)write_file("data/heddle.yaml", "listen: 127.0.0.1:8\n"); /* found by its place */
    t_expect(chmod(t_dir(), 0755) == 0 && chmod(folder, 0) == 0);
    t_expect_int(load_as_nobody(&in, S("127.0.0.1:7")), 0);
    in.flags = &flag;
    in.n_flags = 1;
    t_expect_int(load_as_nobody(&in, S("127.0.0.1:7")), 1); /* named: not passed over */
    in.n_flags = 0;
    in.system_file = S("");
    t_expect_int(load_as_nobody(&in, S("127.0.0.1:3000")), 1); /* there is no other */
    t_expect(chmod(folder, 0700) == 0);
}

TEST(config_named_file_must_exist)
{
    struct attempt t = {.env = {"HEDDLE_CONFIG=/nowhere/heddle.yaml"}};

    load(&t);
    t_expect(complains(&t, "/nowhere/heddle.yaml: it cannot be opened: No such file"));
}

TEST(config_unknown_names_are_complaints_with_a_suggestion)
{
    struct attempt t = {
        .yaml = "log:\n  levle: info\npigeons: 1\nlog.level.deep: 2\nlimits: 3\n",
        .env = {"HEDDLE_LOGLEVEL=info", "HEDDLE_TEST_DATA=x", "HEDDLE_INJECT=", "LOG_LEVEL=x"},
    };

    load(&t);
    t_expect(complains(
        &t, "heddle.yaml:2: log.levle: there is no such setting. Did you mean \"log.level\"?"));
    t_expect(complains(&t, "heddle.yaml:3: pigeons: there is no such setting.\n"));
    t_expect(complains(
        &t, "heddle.yaml:4: log.level.deep: there is no such setting; what stands above"));
    t_expect(complains(&t, "heddle.yaml:5: limits: this is a group of settings"));
    t_expect(complains(&t,
                       "HEDDLE_LOGLEVEL: no setting has this name in the environment. Did you mean "
                       "\"HEDDLE_LOG_LEVEL\"?"));
    t_expect_int(count(t.complaints), 5);
}

TEST(config_bad_values_name_the_problem_and_the_way_out)
{
    static const struct {
        const char *env, *complaint;
    } cases[] = {
        {"HEDDLE_SHARDS=two", "HEDDLE_SHARDS: shards: \"two\" is no whole number"},
        {"HEDDLE_SHARDS=300", "300 is out of range; it must be from 0 to 256"},
        {"HEDDLE_SHARDS=99999999999999999999", "is out of range; it must be from 0 to 256"},
        {"HEDDLE_SHARDS=-1", "-1 is out of range"},
        {"HEDDLE_LIMITS_HEADER=big", "\"big\" is no size; write it like 512, 64k or 8M"},
        {"HEDDLE_LIMITS_HEADER=1G", "1G is out of range; it must be from 1k to 1M"},
        {"HEDDLE_DRAIN_TIMEOUT=soon",
         "\"soon\" is no time span; write it like 250ms, 30s or 1h30m"},
        {"HEDDLE_DRAIN_TIMEOUT=2h", "2h is out of range; it must be from 0s to 1h"},
        {"HEDDLE_DATABASE_RELAXED=maybe", "\"maybe\" is neither true nor false"},
        {"HEDDLE_LOG_FORMAT=jsonl", "\"jsonl\" is none of text, json. Did you mean \"json\"?"},
        {"DATABASE_URL=mysql://h/db", "it must begin with one of postgres, postgresql, sqlite"},
        {"DATABASE_URL=postgres://", "names no host or file"},
        {"APP_BASE_URL=example.org", "it must begin with one of http, https"},
        {"APP_BASE_URL=https://exa mple.org", "is no valid URL"},
        {"APP_BASE_URL=http://x/path?q", "has a query or a fragment"},
        {"APP_BASE_URL=http://x/path#f", "leave out what begins with \"#\""},
        {"DATABASE_URL=postgres//x", "database.url: this looks like a mistyped URL"},
        {"DATABASE_URL=postgres:/x", "mistyped URL"},
        {"DATABASE_URL=postgres.db", "\"./\" before the name of a file"},
        {"DATABASE_URL=sqlit//x.db", "mistyped URL"},
        {"DATABASE_URL=localhost:5432/x", "mistyped URL"},
        {"DATABASE_URL=postgres://h/x?sslmode=bogus", "invalid sslmode value: \"bogus\""},
        {"DATABASE_URL=postgres://h/x?ssl_mode=on", "invalid URI query parameter: \"ssl_mode\""},
        {"DATABASE_URL=postgres://h:port/x",
         "has no valid port; in a password, write / ? # @ : as %2F"},
        {"DATABASE_URL=postgres://[::1/x", "it is no valid address of PostgreSQL"},
        {"REDIS_URL=memcached://h", "redis.url: \"memcached://h\" is no URL of a known kind"},
        {"REDIS_URL=redis://h:x", "The address of Redis has a port that is none"},
        {"HEDDLE_TRUSTED_PROXIES=abc",
         "HEDDLE_TRUSTED_PROXIES: trusted_proxies: \"abc\" is no address and no network; write it "
         "like 10.0.0.1"},
        {"HEDDLE_TRUSTED_PROXIES=10.0.0.0/8,10.0.0.0/33", "\"10.0.0.0/33\" is no address"},
        {"HEDDLE_LISTEN=3000", "\"3000\" has no port"},
        {"HEDDLE_LISTEN=host:99999", "has no valid port"},
        {"HEDDLE_LISTEN=::1:3000", "needs brackets"},
        {"HEDDLE_LISTEN=:3000", "has no host"},
        {"HEDDLE_EGRESS_ALLOW=a.org,999.1.1.1/99", "HEDDLE_EGRESS_ALLOW: egress.allow: "},
        {"HEDDLE_EGRESS_DENY=10.0.0.0/40", "HEDDLE_EGRESS_DENY: egress.deny: "},
        {"OPENAI_API_KEY=sk-a b", "openai.api_key: the value has white space"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attempt t = {.env = {cases[i].env}};
        load(&t);
        t_expect(complains(&t, cases[i].complaint));
        t_expect_int(count(t.complaints), 1);
    }
}

TEST(config_empty_environment_variables_count_as_not_set)
{
    struct attempt t = {.env = {"DATABASE_URL=", "HEDDLE_LISTEN="}};

    load(&t);
    t_expect_ok(t.e);
    t_expect_str(t.config.listen, S("127.0.0.1:3000"));
}

TEST(config_tls_needs_certificate_and_key)
{
    struct attempt t = {.flags = {{"tls-cert", S_INIT("cert.pem")}}};

    load(&t);
    t_expect(complains(&t, "--tls-cert: tls.cert: it needs tls.key too"));
}

TEST(config_yaml_lists_join_and_quoted_scalars_count_as_text)
{
    struct attempt t = {.yaml = "egress:\n  allow: [api.example.org, \"*.example.com\"]\n"
                                "  deny:\n    - 10.0.0.0/8\n"
                                "database: {relaxed: true, timeout: '5s'}\nshards: \"2\"\n"};

    load(&t);
    t_expect_ok(t.e);
    t_expect_str(t.config.egress.allow, S("api.example.org,*.example.com"));
    t_expect_str(t.config.egress.deny, S("10.0.0.0/8"));
    t_expect(t.config.database.relaxed);
    t_expect_int(t.config.database.timeout, 5 * USEC_S);
    t_expect_int(t.config.shards, 2);
}

TEST(config_yaml_that_is_no_plain_tree_is_refused_with_its_line)
{
    static const struct {
        const char *yaml, *complaint;
    } cases[] = {
        {"log:\n  level: [a\n", "this is not valid YAML"},
        {"log: {level: info\nlisten: x", "heddle.yaml:2: this is not valid YAML"},
        {"- listen\n", "heddle.yaml:1: settings must stand as \"key: value\""},
        {"just text\n", "settings must stand as"},
        {"listen:\n", "heddle.yaml:1: listen: there is no value"},
        {"listen: ~\n", "there is no value"},
        {"openai: {api_key: [a,b]}\n",
         "heddle.yaml:1: openai.api_key: a list stands where one plain value belongs"},
        {"listen: []\n", "heddle.yaml:1: listen: a list stands where one plain value belongs"},
        {"listen: {}\n", "heddle.yaml:1: listen: a mapping stands where a plain value belongs"},
        {"listen: {host: a}\n", "heddle.yaml:1: listen.host: there is no such setting"},
        {"redish: {}\n", "heddle.yaml:1: redish: there is no such setting"},
        {"log: [info]\n", "heddle.yaml:1: log: this is a group of settings"},
        {"listen: a:1\nlisten: b:2\n", "heddle.yaml:2: listen: it is set already in line 1"},
        {"log.level: info\nlog:\n  level: warn\n", "heddle.yaml:3: log.level: it is set already"},
        {"a: &x 1\nlisten: *x\n", "heddle.yaml:2: aliases"},
        {"shards: 1\n---\nshards: 2\n", "heddle.yaml:2: there is a second document"},
        {"? [a, b]\n: 1\nshards: 1\n", "heddle.yaml:1: a key must be plain text"},
        {"egress:\n  allow: [{a: 1}]\n", "heddle.yaml:2: a list may only hold plain values"},
        {"a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n", "this is nested too deep"},
        {"log:\n  level: \"\\xff\\x00\"\n", "NUL"},
        {"listen: \xff\xfe\n", "this is not valid YAML"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attempt t = {.yaml = cases[i].yaml};
        load(&t);
        t_expect(complains(&t, cases[i].complaint));
    }
}

TEST(config_group_with_nothing_in_it_is_no_setting)
{
    struct attempt t = {.yaml = "log: {}\ntrusted_proxies: []\n"};

    load(&t);
    t_expect_str(t.complaints, S(""));
    t_expect_ok(t.e);
}

TEST(config_database_may_be_a_path_or_any_address_of_postgresql)
{
    static const char *const good[] = {
        "DATABASE_URL=./postgres.db",
        "DATABASE_URL=data/heddle.db",
        "DATABASE_URL=/srv//x:y.db",
        "DATABASE_URL=heddle.db",
        "DATABASE_URL=sqlite:///srv/heddle.db",
        "DATABASE_URL=postgresql:///heddle",
        "DATABASE_URL=postgres://u:p%40w@a:1,b:2/x?sslmode=verify-full&target_session_attrs=any",
        "DATABASE_URL=postgres://u@%2Frun%2Fpostgresql/x?connect_timeout=3",
    };

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct attempt t = {.env = {good[i]}};
        load(&t);
        t_expect_str(t.complaints, S(""));
        t_expect_ok(t.e);
    }
}

TEST(config_complaint_about_a_database_shows_no_password)
{
    static const char *const bad[] = {"DATABASE_URL=postgres:/me:hunter22@db/x",
                                      "DATABASE_URL=postgres://me:hunter22@[db/x",
                                      "DATABASE_URL=postgres://me:hunter22/q@db/x",
                                      "DATABASE_URL=postgres://me:hunter22%zz@db/x"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct attempt t = {.env = {bad[i]}};
        load(&t);
        t_expect_err(t.e, E_INVALID);
        t_expect_int(str_find(t.complaints, S("hunter22")), SIZE_MAX);
    }
}

TEST(config_files_that_a_server_needs_are_named_by_their_setting)
{
    Str some = write_file("some.txt", "no certificate");
    struct attempt t = {.flags = {{"tls-cert", S_INIT("nofile")}, {"tls-key", some}}};
    AUTO_BUF(out, KIB(4));

    load(&t);
    t_expect_ok(t.e);
    t_expect_err(config_check_files(&t.config, &out), E_INVALID);
    t_expect_str(buf_str(&out), S("--tls-cert: tls.cert: The certificate file nofile cannot be "
                                  "opened: No such file or directory. Check the path.\n"));
    t.flags[0].value = some;
    load(&t);
    t_expect_err(config_check_files(&t.config, &out), E_INVALID);
    t_expect(str_find(buf_str(&out), S("some.txt is not in PEM form")) != SIZE_MAX);
}

TEST(config_empty_file_and_comments_are_no_settings)
{
    struct attempt empty = {.yaml = ""}, comments = {.yaml = "# nothing\n---\n# yet\n"};

    load(&empty);
    t_expect_ok(empty.e);
    load(&comments);
    t_expect_ok(comments.e);
}

TEST(config_print_shows_sources_and_no_secret)
{
    struct attempt t = {
        .yaml = "limits:\n  header: 65536\n",
        .env = {"DATABASE_URL=postgres://me:s3cret%2Fpw@db/heddle", "OPENAI_API_KEY=sk-0123456789"},
    };
    AUTO_BUF(out, KIB(64));

    load(&t);
    t_expect_ok(t.e);
    config_print(t_arena(), &t.config, &out);
    json_write(&out, config_json(t_arena(), &t.config));
    Str text = buf_str(&out);
    t_expect_int(str_find(text, S("sk-0123456789")), SIZE_MAX);
    t_expect(str_find(text, S("limits.header: 64k")) != SIZE_MAX);
    t_expect(str_find(text, S("heddle.yaml:2\n")) != SIZE_MAX);
    t_expect(str_find(text, S("openai.api_key: \"***\"")) != SIZE_MAX);
    t_expect(str_find(text, S("# environment OPENAI_API_KEY\n")) != SIZE_MAX);
    t_expect(
        str_find(text, S("\"listen\":{\"value\":\"127.0.0.1:3000\",\"source\":\"default\"}")) !=
        SIZE_MAX);
    t_expect(str_find(text, S("\"limits.header\":{\"value\":65536,")) != SIZE_MAX);
}

TEST(config_what_is_printed_can_be_read_again)
{
    struct attempt t = {.env = {"HEDDLE_EGRESS_ALLOW=*.a.org,b.org:443", "HEDDLE_LOG_FORMAT=json"}};
    struct attempt again = {0};
    AUTO_BUF(out, KIB(64));

    load(&t);
    t_expect_ok(t.e);
    config_print(t_arena(), &t.config, &out);
    again.yaml = str_dup_c(t_arena(), buf_str(&out));
    load(&again);
    t_expect_str(again.complaints, S(""));
    t_expect_ok(again.e);
    t_expect_str(again.config.egress.allow, t.config.egress.allow);
    t_expect_int(again.config.log.format, LOG_FORMAT_JSON);
    t_expect_int(again.config.limits.idle_timeout, t.config.limits.idle_timeout);
}

TEST(config_odd_paths_are_printed_so_that_they_can_be_read_again)
{
    static const char *const paths[] = {
        "null",
        "~",
        "-",
        "a: b",
        "a #b",
        "ends ",
        "\xc3\xa4/\xf0\x9f\xa7\xb5",
        "a\xc2\x82z",
        "a\xc2\x85z",
        "a\xe2\x80\xa8z",
        "\xef\xbb\xbfz",
        "a\x7fz",
        "a\tz\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct attempt t = {.flags = {{"data", str_c(paths[i])}}}, again = {0};
        AUTO_BUF(out, KIB(64));

        load(&t);
        t_expect_ok(t.e);
        config_print(t_arena(), &t.config, &out);
        again.yaml = str_dup_c(t_arena(), buf_str(&out));
        load(&again);
        t_expect_str(again.complaints, S(""));
        t_expect_str(again.config.data, str_c(paths[i]));
    }
}

TEST(config_url_masked_hides_the_password_alone)
{
    struct arena *a = t_arena();

    t_expect_str(config_url_masked(a, S("postgres://u:p@h/d")), S("postgres://u:***@h/d"));
    t_expect_str(config_url_masked(a, S("postgres://u:p@q:r@h/d")), S("postgres://u:***@h/d"));
    t_expect_str(config_url_masked(a, S("postgres://u@h/d?x=a:b@c")),
                 S("postgres://u@h/d?x=a:b@c"));
    t_expect_str(config_url_masked(a, S("postgres://h/d")), S("postgres://h/d"));
    t_expect_str(config_url_masked(a, S("data/heddle.db")), S("data/heddle.db"));
}

TEST(config_bad_url_does_not_show_its_password)
{
    struct attempt t = {.env = {"DATABASE_URL=mysql://me:hunter22@db/x"}};

    load(&t);
    t_expect(complains(&t, "mysql://me:***@db/x"));
    t_expect_int(str_find(t.complaints, S("hunter22")), SIZE_MAX);
}

TEST(config_secrets_never_reach_the_log)
{
    struct attempt t = {.env = {"OPENAI_API_KEY=sk-scrubbed-by-value"}};
    char line[512] = "";
    int ends[2];

    load(&t);
    t_expect_ok(t.e);
    t_expect_int(pipe2(ends, O_CLOEXEC), 0);
    log_fd_set(ends[1]);
    LOG_ERROR("upstream said", L_CSTR("text", "bad key sk-scrubbed-by-value!"));
    log_fd_set(2);
    ssize_t n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    close(ends[1]);
    log_unscrub(S("sk-scrubbed-by-value"));
    t_expect(n > 0);
    t_expect(strstr(line, "bad key ***!") != NULL);
}

TEST(config_listen_takes_names_and_both_kinds_of_addresses)
{
    Str host;
    uint16_t port;

    t_expect_ok(config_listen(S("127.0.0.1:3000"), &host, &port));
    t_expect_str(host, S("127.0.0.1"));
    t_expect_int(port, 3000);
    t_expect_ok(config_listen(S("[::1]:0"), &host, &port));
    t_expect_str(host, S("::1"));
    t_expect_int(port, 0);
    t_expect_ok(config_listen(S("localhost:65535"), &host, &port));
    t_expect_int(port, 65535);
    t_expect_err(config_listen(S("localhost:65536"), &host, &port), E_INVALID);
    t_expect_err(config_listen(S("[]:1"), &host, &port), E_INVALID);
}

TEST(config_table_is_sound)
{
    for (size_t i = 0; i < config_count(); i++) {
        const struct config_setting *s = &config_settings[i];
        size_t n = strlen(s->help);

        t_expect(s->help[n - 1] != '.');
        t_expect(s->type != CONFIG_SECRET || !s->flag);
        t_expect((s->type == CONFIG_ENUM || s->type == CONFIG_URL) == (s->one_of != NULL));
        for (size_t j = 0; j < i; j++) {
            const struct config_setting *other = &config_settings[j];
            t_expect(strcmp(s->key, other->key) != 0);
            t_expect(s->at != other->at);
            t_expect(!s->env || !other->env || strcmp(s->env, other->env) != 0);
            t_expect(!s->flag || !other->flag || strcmp(s->flag, other->flag) != 0);
        }
    }
}
