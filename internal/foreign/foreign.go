// Package foreign starts XMPP servers of other makes, Prosody and ejabberd as Debian packages them: unprivileged, each in
// a folder of its own, on free ports of loopback. Tests hold Busbar against them, and `busbar bench broker` measures beside
// them.
//
// The configurations are the files of this folder; docs/deploy shows the same.
package foreign

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"busbar.example/secure/pki"
)

// MissingError says that a program is not installed.
type MissingError struct {
	Package string // of Debian
}

// Error names the package.
func (e *MissingError) Error() string { return "the Debian package " + e.Package + " is not installed" }

// Options say what a server serves. Domain, Identity and Roots are needed.
type Options struct {
	Domain    string
	Identity  *pki.Identity       // the server's, for clients and for other servers
	Roots     []*x509.Certificate // who vouches for clients and other servers
	Passwords map[string]string   // by name of the account: who may log in by SCRAM-SHA-256; certificates always may
	MaxStanza int                 // octets; default 1 MiB
	// DNS is where a Names listens, through which the server finds those of other domains. "": it talks to no other.
	DNS string
}

// Server is a server that runs. It ends with Stop.
type Server struct {
	Make    string // "prosody" or "ejabberd"
	Domain  string
	Clients string // HOST:PORT for clients
	Peers   string // HOST:PORT for servers of other domains; "" where it talks to none
	PID     int

	log   string // file
	gone  func() // what is to be done when it has ended; may be nil
	said  *output
	cmd   *exec.Cmd
	ended chan struct{}
	stop  sync.Once
}

const (
	// nobody is the user and group under which servers run when this process is root, which Prosody refuses to be.
	nobody = 65534

	defaultStanza = 1 << 20
	startTime     = 60 * time.Second
	stopTime      = 20 * time.Second
	pollTime      = 50 * time.Millisecond
)

// output keeps the end of what a program prints.
type output struct {
	mu   sync.Mutex
	text []byte
}

// outputKept is how much of it, in octets.
const outputKept = 16 << 10

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if over := len(o.text) - outputKept; over > 0 {
		o.text = append(o.text[:0], o.text[over:]...)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// newFolder makes a folder that a server of another user may work in: others may pass through it, and not look.
func newFolder() (string, error) {
	dir, err := os.MkdirTemp("", "busbar-foreign-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// files are to be written into a folder, by name.
type files map[string]string

// write makes the folder and what is in it, which belongs to the user that the server runs as.
func (f files) write(dir string, folders ...string) error {
	for _, d := range append([]string{dir}, joined(dir, folders)...) {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if os.Getuid() != 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
}

func joined(dir string, names []string) []string {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join(dir, n)
	}
	return paths
}

// start starts the server's program, which does not outlive this process.
func (s *Server) start(cmd *exec.Cmd) error {
	s.cmd, s.said, s.ended = cmd, new(output), make(chan struct{})
	cmd.Stdout, cmd.Stderr = s.said, s.said
	if err := cmd.Start(); err != nil {
		return err
	}
	s.PID = cmd.Process.Pid
	release, err := guard(cmd)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return err
	}
	go func() {
		defer close(s.ended)
		cmd.Wait() // how it ends is of no interest: what it has said is kept
		release()
	}()
	return nil
}

// await waits until the server does what ready looks for; if it does not come to that, it is stopped.
func (s *Server) await(ready func() bool) error {
	late := time.After(startTime)
	for !ready() {
		select {
		case <-s.ended:
			return s.failed("has ended")
		case <-late:
			return s.failed(fmt.Sprintf("is not ready after %v", startTime))
		case <-time.After(pollTime):
		}
	}
	return nil
}

// listens reports whether somebody listens at each address; "" is none.
func listens(addresses ...string) bool {
	for _, a := range addresses {
		if a == "" {
			continue
		}
		nc, err := net.Dial("tcp", a)
		if err != nil {
			return false
		}
		nc.Close()
	}
	return true
}

// failed says what the server has said before it is stopped.
func (s *Server) failed(what string) error {
	text := s.said.String() + s.Log()
	s.Stop()
	return fmt.Errorf("%s %s:\n%s", s.Make, what, text)
}

// Log returns what the server has logged so far, at most the last 64 KiB.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return "" // there is none, or none yet
	}
	const most = 64 << 10
	return string(text[max(0, len(text)-most):])
}

// Kill ends the server at once, as a power cut does.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

// Ended returns a channel that is closed when the server's process has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Stop ends the server, by force if it does not go, and removes its folder. It may be called more than once.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(stopTime):
			s.Kill()
		}
		if s.gone != nil {
			s.gone()
		}
	})
}

// freePort returns a port of loopback that was free a moment ago: these servers cannot choose one and say which.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// freePorts are several, all different.
func freePorts(n int) ([]string, error) {
	var ports []string
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// loopback is the address of a port, or "" of none.
func loopback(port string) string {
	if port == "" {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// check says what is missing in o.
func (o *Options) check() error {
	if o.Domain == "" || o.Identity == nil || len(o.Roots) == 0 {
		return errors.New("foreign: a server needs a domain, an identity and roots")
	}
	o.MaxStanza = cmp.Or(o.MaxStanza, defaultStanza)
	return nil
}

// credentials are the server's files: its certificates, its key, the roots.
func (o *Options) credentials() (chain, key, roots string, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(o.Identity.Key)
	if err != nil {
		return "", "", "", fmt.Errorf("the key of the server: %w", err)
	}
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return certificates(o.Identity.Chain), key, certificates(o.Roots), nil
}

func certificates(list []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range list {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Builder takes everything
	}
	return b.String()
}

// fill fills a configuration in.
func fill(name, text string, data any) (string, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.String(), err
}
