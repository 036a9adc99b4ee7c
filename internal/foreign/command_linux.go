package foreign

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// command is a program that runs as the server's user, in a process group of its own: an interrupt from the terminal is for this
// process, which stops it in order.
func command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// guard has the process group of cmd, which command has made and which runs, killed when this process ends without calling release: a
// shell waits for the end of a pipe that nobody else holds. The kernel's own signal for that comes with the end of the thread that
// has started a program, which is sooner.
func guard(cmd *exec.Cmd) (release func(), err error) {
	watcher := exec.Command("sh", "-c", `read -r line; [ "$line" = over ] || kill -9 "-$0"`, strconv.Itoa(cmd.Process.Pid))
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := watcher.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := watcher.Start(); err != nil {
		return nil, err
	}
	return func() {
		_, _ = io.WriteString(pipe, "over\n") // if the watcher was killed, there is nothing left to tell
		_ = watcher.Wait()
	}, nil
}
