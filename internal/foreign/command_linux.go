package foreign

import (
	"os"
	"os/exec"
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
