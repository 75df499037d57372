/* bench/micro/bench_client.c - what an outbound call costs this process: CPU microseconds per
 * request.
 *
 *     bench_client [REQUESTS [CASES]]     CASES: which of the four, as digits; 0123
 *
 * Starts nginx ("return 200") on a free loopback port, pinned to the second core, and calls it over
 * 64 kept connections from 64 fibers of one shard on the first core: GET, and POST of 10 KB, by
 * both engines, each three times in turn. Prints the median of user + system time of this process
 * divided by the requests.
 */
#include "net/http_client.h"
#include "rt/fiber.h"

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIBERS = 64, ROUNDS = 3, BODY = 10240 };

struct load {
    enum http_engine engine;
    enum http_method method;
    Str url, body;
    size_t left, failed;
};

static const char conf[] =
    "worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;\n"
    "events { worker_connections 4096; }\n"
    "http { access_log off; keepalive_requests 1000000000; client_max_body_size 1m;\n"
    "  client_body_buffer_size 64k;\n"
    "  server { listen 127.0.0.1:%d; location / { return 200 \"hello from upstream\"; } } }\n";

static char dir[] = "/tmp/heddle-bench-XXXXXX";
static int port;
static pid_t nginx;

static int free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&sa, n) != 0 || getsockname(fd, (struct sockaddr *)&sa, &n))
        DIE("no free port");
    close(fd);
    return ntohs(sa.sin_port);
}

static void pin(pid_t pid, size_t core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(pid, sizeof set, &set) != 0)
        fprintf(stderr, "not pinned to core %zu\n", core);
}

static void nginx_start(void)
{
    char path[64];

    port = free_port();
    if (!mkdtemp(dir))
        DIE("no temporary directory");
    snprintf(path, sizeof path, "%s/nginx.conf", dir);
    FILE *f = fopen(path, "w");
    if (!f)
        DIE("cannot write %s", path);
    fprintf(f, conf, port);
    fclose(f);
    char *argv[] = {"nginx", "-p", dir, "-c", "nginx.conf", NULL};
    pin(0, 1); /* inherited by nginx */
    if (posix_spawnp(&nginx, "nginx", NULL, NULL, argv, (char *[]){NULL}) != 0)
        DIE("nginx is not installed");
    pin(0, 0);
}

static void nginx_stop(void)
{
    char command[128];

    kill(nginx, SIGTERM);
    waitpid(nginx, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        fprintf(stderr, "%s is left behind\n", dir);
}

static Err caller(void *arg)
{
    struct load *l = arg;
    AUTO(arena) *a = arena_new(MIB(1));
    struct http_reply reply;

    while (l->left) {
        l->left--;
        struct http_call call = {
            .method = l->method, .url = l->url, .body = l->body, .engine = l->engine};
        http_header_add(a, &call.headers, S("Authorization"), S("Bearer sk-0123456789abcdef"));
        http_header_add(a, &call.headers, S("Content-Type"), S("application/json"));
        if (http_fetch(a, &call, &reply) != OK || reply.status != 200)
            l->failed++;
        arena_reset(a);
    }
    return OK;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static Err run(struct load load, size_t n, double *ret_cpu, double *ret_rps)
{
    FIBER_GROUP(g, 0, false);

    load.left = n;
    Usec started = time_mono();
    double before = cpu_us();
    for (int i = 0; i < FIBERS; i++)
        TRY(fiber_group_start(&g, "caller", caller, &load));
    TRY(fiber_group_join(&g));
    *ret_cpu = (cpu_us() - before) / (double)n;
    *ret_rps = (double)n / ((double)(time_mono() - started) / 1e6);
    if (load.failed)
        printf("%zu calls failed: %s\n", load.failed, err_record()->text);
    return OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const char *cases = "0123";

static bool chosen(size_t i)
{
    return strchr(cases, (int)('0' + i)) != NULL;
}

static Err bench(void *arg)
{
    static char body[BODY];
    size_t n = *(size_t *)arg;
    AUTO(arena) *a = arena_new(KIB(16));
    Str url = str_fmt(a, "http://127.0.0.1:%d/v1/chat/completions", port);
    struct load loads[] = {{HTTP_OWN, HTTP_GET, url, {0}, 0, 0},
                           {HTTP_CURL, HTTP_GET, url, {0}, 0, 0},
                           {HTTP_OWN, HTTP_POST, url, {body, BODY}, 0, 0},
                           {HTTP_CURL, HTTP_POST, url, {body, BODY}, 0, 0}};
    static const char *const names[] = {"own   GET", "curl  GET", "own   POST 10 KB",
                                        "curl  POST 10 KB"};
    double cpu[4][ROUNDS], rps[4][ROUNDS];

    memset(body, 'x', sizeof body);
    for (size_t i = 0; i < 4; i++) /* warm */
        TRY(run(loads[i], 2000, &cpu[i][0], &rps[i][0]));
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < 4; i++)
            if (chosen(i))
                TRY(run(loads[i], n, &cpu[i][round], &rps[i][round]));
    printf("%-18s %14s %12s\n", "", "CPU us/request", "requests/s");
    for (size_t i = 0; i < 4; i++) {
        if (!chosen(i))
            continue;
        qsort(cpu[i], ROUNDS, sizeof cpu[i][0], by_value);
        qsort(rps[i], ROUNDS, sizeof rps[i][0], by_value);
        printf("%-18s %14.2f %12.0f\n", names[i], cpu[i][ROUNDS / 2], rps[i][ROUNDS / 2]);
    }
    return OK;
}

int main(int argc, char **argv)
{
    uint64_t n = 100000;

    if (argc > 1 && (str_to_u64(str_c(argv[1]), &n) != OK || n == 0))
        DIE("usage: bench_client [REQUESTS [CASES]]");
    if (argc > 2)
        cases = argv[2];
    nginx_start();
    usleep(300000);
    size_t count = (size_t)n;
    Err e = rt_main(&(struct rt_options){.shards = 1, .workers = 1}, bench, &count);
    nginx_stop();
    return e == OK ? 0 : 1;
}
