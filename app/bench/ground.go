package bench

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"busbar.example/app/site"
	"busbar.example/internal/foreign"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// Other is a server that runs already, and an account at it.
type Other struct {
	Name    string
	Address string      // HOST:PORT
	Client  xmpp.Config // how the account logs in; resources are added
	PID     int         // of the server, where it runs on this machine; 0: without what takes its processor time and memory
}

// ParseOther reads NAME=HOST:PORT, or NAME=HOST:PORT/PID.
func ParseOther(text string) (Other, error) {
	name, address, found := strings.Cut(text, "=")
	address, pid, local := strings.Cut(address, "/")
	o := Other{Name: name, Address: address}
	if _, _, err := net.SplitHostPort(address); err != nil || !found || name == "" {
		return o, fmt.Errorf("%q is neither prosody, ejabberd nor NAME=HOST:PORT", text)
	}
	if local {
		var err error
		if o.PID, err = strconv.Atoi(pid); err != nil || o.PID <= 0 {
			return o, fmt.Errorf("%q: %q is no process id", text, pid)
		}
	}
	return o, nil
}

// otherResources is how many sessions an account of a server that runs already opens at most.
const otherResources = 8

// domain is what the servers serve that are started here.
const domain = "bench.example"

// makers start the servers of other makes.
var makers = map[string]func(foreign.Options) (*foreign.Server, error){"prosody": foreign.StartProsody, "ejabberd": foreign.StartEjabberd}

// ground is where servers are started: a temporary site, whose authority makes all certificates.
type ground struct {
	Options
	dir   string
	site  *site.Site
	ca    *pki.CA
	root  *x509.Certificate
	trust *pki.Trust

	mu      sync.Mutex
	clients map[int]*pki.Identity
}

// newGround makes the temporary site.
func newGround(o Options) (*ground, error) {
	for _, name := range o.Against {
		if makers[name] == nil {
			return nil, fmt.Errorf("%q cannot be started: only %s can", name, strings.Join(slices.Sorted(maps.Keys(makers)), " and "))
		}
	}
	dir, err := os.MkdirTemp("", "busbar-bench-")
	if err != nil {
		return nil, err
	}
	g := &ground{Options: o, dir: dir, clients: map[int]*pki.Identity{}}
	if err := g.makeSite(); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *ground) makeSite() (err error) {
	if g.site, err = site.Init(filepath.Join(g.dir, "site"), domain); err != nil {
		return err
	}
	// As at the others, nobody is in anybody's roster: with the default group a thousand accounts would hear of each other.
	if err := appendTo(g.site.Path(site.FileName), "\nbroker: {groups: [{name: nobody, members: []}]}\n"); err != nil {
		return err
	}
	if g.ca, err = pki.LoadCA(g.site.Path("pki", "e2m", "issuing.crt"), g.site.Path("pki", "e2m", "issuing.key")); err != nil {
		return err
	}
	text, err := os.ReadFile(g.site.Path("pki", "e2m", "root.crt"))
	if err != nil {
		return err
	}
	if g.root, err = site.Certificate(text); err != nil {
		return err
	}
	g.trust, err = pki.NewTrust([]*x509.Certificate{g.root}, nil)
	return err
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (g *ground) close() { os.RemoveAll(g.dir) }

// start starts all servers; those that have started are returned with an error, too.
func (g *ground) start() (servers []*server, err error) {
	if g.Self != "" {
		own, err := g.startOwn()
		if err != nil {
			return servers, fmt.Errorf("the embedded broker: %w", err)
		}
		servers = append(servers, own)
	}
	for _, name := range g.Against {
		s, err := g.startForeign(name)
		if err != nil {
			return servers, fmt.Errorf("%s: %w", name, err)
		}
		servers = append(servers, s)
	}
	for _, o := range g.Others {
		servers = append(servers, o.server())
	}
	if len(servers) == 0 {
		return nil, errors.New("there is no server to measure")
	}
	return servers, nil
}

// client says how the client of that number logs in at a server that was started here. Each has an account and a certificate of
// its own, which is made once.
func (g *ground) client(address string) func(n int) (xmpp.Config, error) {
	return func(n int) (xmpp.Config, error) {
		name := fmt.Sprintf("c%d@%s", n, domain)
		g.mu.Lock()
		id := g.clients[n]
		g.mu.Unlock()
		if id == nil {
			var err error
			if id, err = g.ca.IssueClientTLS(name); err != nil {
				return xmpp.Config{}, err
			}
			g.mu.Lock()
			g.clients[n] = id
			g.mu.Unlock()
		}
		full, err := jid.Parse(name + "/IEC")
		return xmpp.Config{JID: full, Address: address, Identity: id, Trust: g.trust}, err
	}
}

// manyClients is how many clients a server that was started here takes: its limits are beyond that.
const manyClients = 4000

// startOwn starts the embedded broker as a process of its own.
func (g *ground) startOwn() (*server, error) {
	note := g.site.Path("run", "broker")
	os.Remove(note) // of the round before
	cmd := exec.Command(g.Self, "broker", "--site", g.site.Dir, "--listen", "127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this process, which ends it
	complaints, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var said strings.Builder
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(complaints); lines.Scan(); {
			if said.Len() < 4096 {
				said.WriteString(lines.Text() + "\n")
			}
		}
		cmd.Wait() // how it ended is of no interest
	}()
	stop := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
	late := time.After(time.Minute)
	for {
		if address, err := os.ReadFile(note); err == nil {
			return &server{name: "busbar", pid: cmd.Process.Pid, most: manyClients, client: g.client(strings.TrimSpace(string(address))), stop: stop}, nil
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("it has ended: %s", said.String())
		case <-late:
			stop()
			return nil, errors.New("it does not listen after a minute")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (g *ground) startForeign(name string) (*server, error) {
	id, err := g.ca.IssueServer(domain)
	if err != nil {
		return nil, err
	}
	s, err := makers[name](foreign.Options{Domain: domain, Identity: id, Roots: []*x509.Certificate{g.root}})
	if err != nil {
		return nil, err
	}
	return &server{name: name, pid: s.PID, most: manyClients, client: g.client(s.Clients), stop: s.Stop}, nil
}

// server is the server that runs already. All its clients are sessions of one account.
func (o Other) server() *server {
	return &server{name: o.Name, pid: o.PID, most: otherResources, stop: func() {}, client: func(n int) (xmpp.Config, error) {
		cfg := o.Client
		cfg.Address = o.Address
		var err error
		cfg.JID, err = cfg.JID.Bare().WithResource(fmt.Sprintf("IEC-bench%d", n))
		return cfg, err
	}}
}

// Login logs the account in once, so that what is wrong with it is said at once.
func (o Other) Login(ctx context.Context) error {
	s, err := o.server().dial(ctx, 0, nil)
	if err != nil {
		return fmt.Errorf("%s at %s: %w", o.Name, o.Address, err)
	}
	return s.Close()
}
