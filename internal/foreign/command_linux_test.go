package foreign

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startsAServer is set in the environment of a process that starts a server, and is killed then.
const startsAServer = "BUSBAR_TEST_STARTS_A_SERVER"

// A test that is killed leaves nothing of its servers behind: neither a server, nor what that has started.
func TestServersEndWithTheProcessThatStartedThem(t *testing.T) {
	if os.Getenv(startsAServer) != "" {
		startAndWait(t)
	}
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	self := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	self.Env = append(os.Environ(), startsAServer+"=1")
	self.ExtraFiles = []*os.File{held}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	if err := alive.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 3)
	if _, err := io.ReadFull(alive, ready); err != nil || string(ready) != "up\n" {
		t.Fatalf("the server has not started: %q, %v", ready, err)
	}
	self.Process.Kill()
	self.Wait()
	// The pipe ends when the last process that holds it has ended.
	if rest, err := io.ReadAll(alive); err != nil {
		t.Errorf("a minute after the process that had started it was killed, the server runs: %q, %v", rest, err)
	}
}

// startAndWait starts a program that starts another; both hold the pipe, and neither ends by itself in time.
func startAndWait(t *testing.T) {
	cmd := command("sh", "-c", "sleep 600 & echo up >&3; wait")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "pipe")}
	if err := new(Server).start(cmd); err != nil {
		t.Fatal(err)
	}
	select {}
}
