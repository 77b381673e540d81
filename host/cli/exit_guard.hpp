// Exits that are not the command's own.
#pragma once

namespace hn::cli {

// From here on, exit(), _exit(), _Exit() and quick_exit() by code that the command loaded end it
// with exit code 1 and name the plugin that ran: whatever code it asked for, the work is not done.
// Not caught: the system call exit_group made directly, exec, and SIGKILL. Processes that a plugin
// forks may exit as they like.
void guard_exits();

// The work ended with this code; what still exits from here on (code that runs at the end of a
// process) cannot make a success of a failure.
void work_ended(int code);

// The process ends here and now, with no code of others.
[[noreturn]] void end_now(int code);

}  // namespace hn::cli
