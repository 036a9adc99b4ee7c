package site

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"busbar.example/acsi"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// inNamespace in the environment says that the test binary runs in a network of its own, which has nothing but a loopback
// interface that may be taken down.
const inNamespace = "BUSBAR_TEST_NAMESPACE"

// A cable that is pulled leaves connections half open: nobody says that they are dead. Who keeps alive notices. What is taken up again
// goes on with its associations; what is not comes back by itself, with new ones.
//
// Conformance: sAssN5, cAss.
func TestACableThatIsPulled(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		pullTheCable(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, self, "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inNamespace+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("this host lets nobody make a network namespace: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	err = c.Wait()
	switch said := out.String(); {
	case strings.Contains(said, "--- SKIP"):
		t.Skip(said)
	case err != nil || !strings.Contains(said, "--- PASS"):
		t.Errorf("%v\n%s", err, said)
	}
}

// loopback takes the interface up or down. What is sent over it while it is down gets nowhere.
func loopback(t *testing.T, up bool) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	request := struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}{name: [16]byte{'l', 'o'}}
	if up {
		request.flags = syscall.IFF_UP | syscall.IFF_RUNNING
	}
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); e != 0 {
		if up {
			t.Skipf("this host lets nobody take an interface up in a namespace: %v", e)
		}
		t.Fatal(e)
	}
}

func pullTheCable(t *testing.T) {
	loopback(t, true)
	s := newSite(t)
	for _, name := range []string{"resumes", "redials"} {
		s.mustIssue(t, name)
	}
	s.mustIssue(t, "ems", "ENGINEER")
	p := &plant{t: t, site: s}
	p.run(func(ctx context.Context, ready func()) error {
		return s.RunBroker(ctx, BrokerOptions{Listen: "127.0.0.1:0", Ready: func(net.Addr) { ready() }})
	})
	lost, back := make(chan error, 16), make(chan struct{}, 16) // of what resumes
	resuming := &xmpp.Trace{Lost: func(err error) { lost <- err }, Resumed: func(jid.JID, int) { back <- struct{}{} }}
	down, up := make(chan Outage, 16), make(chan time.Duration, 16) // of what redials
	brief := xmpp.KeepAlive{Idle: 500 * time.Millisecond, Loss: 2 * time.Second}
	party := func(name string) Party {
		return Party{JID: jid.MustParse(name + "@" + domain + "/" + Resource), KeepAlive: brief}
	}
	ied := func(o IEDOptions) {
		o.SCL = "../demo/scl/pv.cid"
		p.run(func(ctx context.Context, ready func()) error {
			o.Ready = func(*RunningIED) { ready() }
			return s.RunIED(ctx, o)
		})
	}
	first := party("resumes")
	first.Stream = resuming
	ied(IEDOptions{Party: first})
	second := party("redials")
	second.Resume = -1
	ied(IEDOptions{Party: second, Down: func(o Outage) { down <- o }, Up: func(after time.Duration) { up <- after }})
	ems := party("ems")
	ems.Stream = resuming
	dial := func(p Party, to string) *Client {
		t.Helper()
		c, err := s.Dial(t.Context(), p, to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	read := func(c *Client, what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.GetDataValues(ctx, []acsi.Ref{acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	c := dial(ems, "resumes")
	read(c, "before")

	loopback(t, false)
	for range 2 {
		if err := <-lost; !errors.Is(err, xmpp.ErrLost) {
			t.Errorf("what can be resumed is lost with %v, want %v", err, xmpp.ErrLost)
		}
	}
	if o := <-down; !errors.Is(o.Err, xmpp.ErrLost) || o.Tries != 0 {
		t.Errorf("what redials is lost with %v (%d tries), want %v", o.Err, o.Tries, xmpp.ErrLost)
	}
	loopback(t, true)
	<-back
	<-back
	read(c, "the association that was there before")
	<-up
	other := party("ems")
	other.JID = jid.MustParse("ems@" + domain + "/other")
	read(dial(other, "redials"), "an association with what came back")
}
