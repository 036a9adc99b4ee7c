package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"busbar.example/app/site"
	"busbar.example/secure/pki"
)

const domain = "soak.example"

// settings let many clients in from one address, and put nobody into anybody's roster.
const settings = `
broker:
  groups: [{name: nobody, members: []}]
  limits: {connections: 16384, connections_per_address: 16384, unauthenticated_per_address: 4096}
  resume: 30s
`

// broker is the broker that is tried, a process of its own.
type broker struct {
	dir     string
	cmd     *exec.Cmd
	ended   chan struct{}
	address string
	status  http.Client // asks it over its socket
	ca      *pki.CA
	trust   *pki.Trust
}

// startBroker makes a site in a temporary folder and starts its broker.
func startBroker(program string) (b *broker, err error) {
	b = &broker{ended: make(chan struct{})}
	if b.dir, err = os.MkdirTemp("", "busbar-soak-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	s, err := site.Init(filepath.Join(b.dir, "site"), domain)
	if err != nil {
		return b, err
	}
	text, err := os.ReadFile(s.Path(site.FileName))
	if err != nil {
		return b, err
	}
	if err := os.WriteFile(s.Path(site.FileName), append(text, settings...), 0o644); err != nil {
		return b, err
	}
	if b.ca, err = pki.LoadCA(s.Path("pki", "e2m", "issuing.crt"), s.Path("pki", "e2m", "issuing.key")); err != nil {
		return b, err
	}
	if text, err = os.ReadFile(s.Path("pki", "e2m", "root.crt")); err != nil {
		return b, err
	}
	root, err := site.Certificate(text)
	if err != nil {
		return b, err
	}
	if b.trust, err = pki.NewTrust([]*x509.Certificate{root}, nil); err != nil {
		return b, err
	}
	cmd := exec.Command(program, "broker", "--site", s.Dir, "--listen", "127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return b, err
	}
	b.cmd = cmd
	go func() {
		defer close(b.ended)
		cmd.Wait() // how it ended shows in what it says
	}()
	for range 600 {
		address, err1 := os.ReadFile(s.Path("run", "broker"))
		socket, err2 := os.ReadFile(s.Path("run", "broker-status"))
		if err1 == nil && err2 == nil {
			b.address = strings.TrimSpace(string(address))
			b.status.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", strings.TrimSpace(string(socket)))
			}}
			return b, nil
		}
		select {
		case <-b.ended:
			return b, errors.New("the broker has ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
	return b, errors.New("the broker does not listen after a minute")
}

func (b *broker) stop() {
	if b.cmd != nil {
		b.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-b.ended:
		case <-time.After(20 * time.Second):
			b.cmd.Process.Kill()
			<-b.ended
		}
	}
	os.RemoveAll(b.dir)
}

// usage is what the broker's process has at a moment.
type usage struct {
	goroutines, descriptors int
	heapMB, residentMB      float64
	sessions, detached      int
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.0f MB of heap, %.0f MB resident, %d sessions, %d of them detached",
		u.goroutines, u.descriptors, u.heapMB, u.residentMB, u.sessions, u.detached)
}

// usage asks the broker's metrics.
func (b *broker) usage() (u usage, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/metrics", nil)
	if err != nil {
		return u, err
	}
	answer, err := b.status.Do(req)
	if err != nil {
		return u, err
	}
	defer answer.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(io.LimitReader(answer.Body, 1<<20)); lines.Scan(); {
		line := lines.Text()
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64); err == nil {
			values[name] += v
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "go_memstats_heap_inuse_bytes", "process_resident_memory_bytes", "busbar_broker_sessions_detached"} {
		if _, there := values[name]; !there {
			return u, fmt.Errorf("the broker's metrics lack %s", name)
		}
	}
	return usage{int(values["go_goroutines"]), int(values["process_open_fds"]), values["go_memstats_heap_inuse_bytes"] / 1e6,
		values["process_resident_memory_bytes"] / 1e6, int(values["busbar_broker_sessions"]), int(values["busbar_broker_sessions_detached"])}, nil
}

// afterwards is what is left once all clients have gone and nothing waits for one to come back: the broker gives memory back a
// while later.
func (b *broker) afterwards(before usage) (u usage, err error) {
	for range 90 {
		time.Sleep(time.Second)
		if u, err = b.usage(); err != nil || u.sessions+u.detached == 0 && left(before, u) == nil {
			return u, err
		}
	}
	return u, nil
}

// left says what has not gone with the clients.
func left(before, after usage) error { return growth("once all had left", before, after, 1.1) }

// growth says what has grown beyond a factor: of goroutines and descriptors, and of the heap, but for some MB that caches and pools
// may hold.
func growth(when string, from, to usage, factor float64) error {
	const slack, slackMB = 16, 32
	var errs []error
	for _, g := range []struct {
		what     string
		from, to float64
		slack    float64
	}{
		{"goroutines", float64(from.goroutines), float64(to.goroutines), slack},
		{"descriptors", float64(from.descriptors), float64(to.descriptors), slack},
		{"MB of heap", from.heapMB, to.heapMB, slackMB},
	} {
		if g.to > g.from*factor+g.slack {
			errs = append(errs, fmt.Errorf("%s: %.0f %s have become %.0f", when, g.from, g.what, g.to))
		}
	}
	return errors.Join(errs...)
}
