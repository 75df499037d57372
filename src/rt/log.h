/* src/rt/log.h - structured log lines on standard error: JSON or text, one write(2) a line.
 *
 *     LOG_INFO("listening", L_STR("address", addr), L_INT("shards", n));
 *
 * Each line has time, level, message, the fiber's request id and the fields. Values registered with
 * log_scrub() are replaced by "***" wherever they occur. Prompts, answers, tokens and personal data
 * never go into a log line. Safe on every thread.
 */
#ifndef RT_LOG_H
#define RT_LOG_H

#include "base/time.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *key;
    char kind; /* 's' string, 'i' integer, 'f' double, 0 end */
    Str s;
    int64_t i;
    double f;
};

#define L_STR(k, v)                                                                                \
    {                                                                                              \
        .key = (k), .kind = 's', .s = (v)                                                          \
    }
#define L_CSTR(k, v)                                                                               \
    {                                                                                              \
        .key = (k), .kind = 's', .s = str_c(v)                                                     \
    }
#define L_INT(k, v)                                                                                \
    {                                                                                              \
        .key = (k), .kind = 'i', .i = (int64_t)(v)                                                 \
    }
#define L_DOUBLE(k, v)                                                                             \
    {                                                                                              \
        .key = (k), .kind = 'f', .f = (v)                                                          \
    }
/* The code and the private text of an error. */
#define L_ERR(e)                                                                                   \
    {.key = "error", .kind = 's', .s = str_c(err_name(e))},                                        \
    {                                                                                              \
        .key = "detail", .kind = 's', .s = str_c(err_text(e))                                      \
    }

#define LOG_AT(level, message, ...)                                                                \
    do {                                                                                           \
        if ((level) >= log_threshold)                                                              \
            log_write((level), (message),                                                          \
                      (const struct log_field[]){{0}, ##__VA_ARGS__, {0}} + 1);                    \
    } while (0)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_WARN(...) LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)

extern enum log_level log_threshold; /* LOG_LEVEL_INFO at first */

void log_setup(enum log_level threshold, enum log_format format);
void log_write(enum log_level level, const char *message, const struct log_field *fields);
/* Never show @secret (copied; at least 6 bytes, else ignored) in any later line. */
void log_scrub(Str secret);
void log_unscrub(Str secret);
/* Where lines go: a file descriptor, 2 at first. For tests. */
void log_fd_set(int fd);

#endif
