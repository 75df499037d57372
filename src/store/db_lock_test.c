/* src/store/db_lock_test.c */
#include "store/db_lock.h"

#include "base/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that takes the lock, says so, and keeps it until it is killed. */
static pid_t child_with_lock(const char *folder)
{
    int ready[2];
    char c = 0;
    if (pipe(ready) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        struct db_lock *lock = NULL;
        c = db_lock_exclusive(folder, &lock) == OK ? 'y' : 'n';
        if (write(ready[1], &c, 1) == 1)
            pause();
        _exit(0);
    }
    bool told = read(ready[0], &c, 1) == 1;
    close(ready[0]);
    close(ready[1]);
    if (told && c == 'y')
        return pid;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return -1;
}

TEST(a_second_server_on_a_folder_is_refused_and_told_who_has_it)
{
    AUTO(db_lock) *lock = NULL;
    int holder = -1;
    pid_t child = child_with_lock(t_dir());

    t_expect(child > 0);
    t_expect_err(db_lock_exclusive(t_dir(), &lock), E_LOCKED);
    Str pid = str_fmt(t_arena(), "process %d)", (int)child);
    t_expect(str_find(str_c(err_client_text(E_LOCKED)), pid) != SIZE_MAX);
    t_expect_ok(db_lock_holder(t_dir(), &holder));
    t_expect_int(holder, child);

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    t_expect_ok(db_lock_holder(t_dir(), &holder));
    t_expect_int(holder, 0);
    t_expect_ok(db_lock_exclusive(t_dir(), &lock));
}

TEST(a_second_lock_in_one_process_is_refused_and_the_first_one_holds)
{
    struct db_lock *lock = NULL, *second = NULL;
    int holder = 0;

    t_expect_ok(db_lock_exclusive(t_dir(), &lock));
    t_expect_err(db_lock_exclusive(t_dir(), &second), E_LOCKED);
    t_expect_ok(db_lock_holder(t_dir(), &holder));
    t_expect_int(holder, getpid());
    t_expect(child_with_lock(t_dir()) == -1);
    db_lock_free(lock);
    pid_t child = child_with_lock(t_dir());
    t_expect(child > 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

TEST(a_child_process_does_not_keep_the_lock_of_its_parent)
{
    struct db_lock *lock = NULL;

    t_expect_ok(db_lock_exclusive(t_dir(), &lock));
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    db_lock_free(lock);
    pid_t other = child_with_lock(t_dir());
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    t_expect(other > 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

TEST(a_lock_in_a_folder_that_is_not_there_says_so)
{
    struct db_lock *lock = NULL;
    t_expect_err(db_lock_exclusive("/nowhere/at/all", &lock), E_NOT_FOUND);
}
