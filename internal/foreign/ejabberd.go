package foreign

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

//go:embed ejabberd.yml
var ejabberdConfig string

// ejabberdSettings fill ejabberdConfig in.
type ejabberdSettings struct {
	Dir            string // of certificates
	Domain         string
	Listen         string // address
	Clients, Peers string // ports; without the latter it talks to no other server
	Passwords      bool
	MaxStanza      int
}

// StartEjabberd starts ejabberd, and returns when it takes connections. An error may be a *MissingError.
func StartEjabberd(o Options) (*Server, error) {
	cluster, err := startEjabberds(o, 1)
	if err != nil {
		return nil, err
	}
	return cluster[0], nil
}

// StartEjabberdCluster starts ejabberd as a cluster of two nodes, which share the table of sessions. Both serve the same
// domain; each takes clients at an address of its own.
func StartEjabberdCluster(o Options) ([]*Server, error) { return startEjabberds(o, 2) }

// startEjabberds starts as many nodes; what has been started is stopped where one fails.
func startEjabberds(o Options, n int) (nodes []*Server, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	libs, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	erl, notFound := exec.LookPath("erl")
	if err != nil || len(libs) == 0 || notFound != nil {
		return nil, &MissingError{"ejabberd"}
	}
	dir, err := newFolder()
	if err != nil {
		return nil, err
	}
	c := &cluster{Options: o, dir: dir, erl: erl, libs: filepath.Dir(libs[0]), size: n}
	defer func() {
		if err != nil {
			for _, node := range nodes {
				node.Stop()
			}
			c.end()
			nodes = nil
		}
	}()
	if c.names, err = freePort(); err != nil {
		return nil, err
	}
	if n > 1 {
		if err := c.startNames(); err != nil {
			return nil, err
		}
	}
	for i := range n {
		node, err := c.startNode(i)
		if err != nil {
			return nodes, err
		}
		node.gone = c.leave
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// cluster is one or several nodes of Erlang with one folder.
type cluster struct {
	Options
	dir       string
	erl, libs string
	size      int
	names     string // port of epmd; of the one node, where there is none
	epmd      *Server

	mu   sync.Mutex
	left int // nodes that have stopped
}

// cookie lets the nodes of a cluster talk to each other, and this package to nobody: epmd and they listen on loopback.
const cookie = "busbar"

// startNames starts the nodes' directory.
func (c *cluster) startNames() error {
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return &MissingError{"erlang-base"}
	}
	cmd := command(epmd, "-port", c.names, "-address", "127.0.0.1")
	cmd.Dir = "/"
	c.epmd = &Server{Make: "epmd"}
	if err := c.epmd.start(cmd); err != nil {
		return err
	}
	return c.epmd.await(func() bool { return listens(loopback(c.names)) })
}

// leave ends what the nodes have in common, with the last of them.
func (c *cluster) leave() {
	c.mu.Lock()
	c.left++
	last := c.left == c.size
	c.mu.Unlock()
	if last {
		c.end()
	}
}

func (c *cluster) end() {
	if c.epmd != nil && c.epmd.cmd != nil && c.epmd.cmd.Process != nil {
		c.epmd.Kill()
	}
	os.RemoveAll(c.dir)
}

// nodeName is what a node is called. It has the directory's port in it: others run on this machine too.
func (c *cluster) nodeName(i int) string { return fmt.Sprintf("busbar%s-%d@localhost", c.names, i+1) }

// startNode starts the node of that number, which joins the first.
func (c *cluster) startNode(i int) (*Server, error) {
	chain, key, roots, err := c.credentials()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(c.dir, fmt.Sprintf("node%d", i+1))
	settings := ejabberdSettings{Dir: home, Domain: c.Domain, Listen: "127.0.0.1", Clients: ports[0], Passwords: len(c.Passwords) > 0, MaxStanza: c.MaxStanza}
	if c.DNS != "" {
		settings.Peers = ports[1]
	}
	config, err := fill("ejabberd.yml", ejabberdConfig, settings)
	if err != nil {
		return nil, err
	}
	resolver, err := inetrc(c.DNS)
	if err != nil {
		return nil, err
	}
	err = files{"ejabberd.yml": config, "server.pem": key + chain, "roots.pem": roots, "inetrc": resolver, ".erlang.cookie": cookie}.write(home, "spool", "log")
	if err == nil {
		err = os.Chmod(filepath.Join(home, ".erlang.cookie"), 0o400)
	}
	if err != nil {
		return nil, err
	}
	s := &Server{Make: "ejabberd", Domain: c.Domain, Clients: loopback(settings.Clients), Peers: loopback(settings.Peers), log: filepath.Join(home, "log", "ejabberd.log")}
	if err := s.start(c.nodeCommand(home, i)); err != nil {
		return nil, err
	}
	done := filepath.Join(home, "ready")
	if err := s.await(func() bool { return said(done) && listens(s.Clients, s.Peers) }); err != nil {
		return nil, err
	}
	if text, _ := os.ReadFile(done); strings.TrimSpace(string(text)) != "ok" {
		return nil, s.failed("has not joined: " + string(text))
	}
	return s, nil
}

// said reports whether a file is there.
func said(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// nodeCommand runs a node. Without the larger stacks of +sss, one stanza of 5,000 nested elements ends all of it; without +sbwt
// idle schedulers would spin, and count as work.
func (c *cluster) nodeCommand(home string, i int) *exec.Cmd {
	spool := filepath.Join(home, "spool")
	args := []string{"-sname", c.nodeName(i), "+K", "true", "+P", "250000", "+sss", "8192", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
		"-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-start_epmd", "false", "-mnesia", "dir", strconv.Quote(spool),
		"-ejabberd", "log_rotate_count", "0", "-noinput"}
	env := append(os.Environ(), "HOME="+home, "EJABBERD_CONFIG_PATH="+filepath.Join(home, "ejabberd.yml"),
		"EJABBERD_LOG_PATH="+filepath.Join(home, "log", "ejabberd.log"), "EJABBERD_PID_PATH="+filepath.Join(home, "ejabberd.pid"),
		"ERL_LIBS="+c.libs, "ERL_INETRC="+filepath.Join(home, "inetrc"), "ERL_MAX_PORTS=32000", "ERL_CRASH_DUMP_BYTES=0", "ERL_EPMD_ADDRESS=127.0.0.1")
	if c.size == 1 {
		args = append(args, "-erl_epmd_port", c.names)
	} else {
		env = append(env, "ERL_EPMD_PORT="+c.names)
	}
	args = append(args, "-s", "ejabberd", "-eval", c.afterStart(home, i))
	cmd := command(c.erl, args...)
	cmd.Dir, cmd.Env = spool, env
	return cmd
}

// afterStart is what a node does once it has started: register the accounts, join the first node, say that it is ready.
func (c *cluster) afterStart(home string, i int) string {
	var b strings.Builder
	outcome := "ok"
	if i == 0 {
		for name, password := range c.Passwords {
			fmt.Fprintf(&b, "ok = ejabberd_auth:try_register(<<%q>>, <<%q>>, <<%q>>), ", name, c.Domain, password)
		}
	} else {
		fmt.Fprintf(&b, "R = ejabberd_cluster:join('%s'), ", c.nodeName(0))
		outcome = "R"
	}
	fmt.Fprintf(&b, "ok = file:write_file(%q, io_lib:format(\"~p\", [%s])).", filepath.Join(home, "ready"), outcome)
	return b.String()
}

// inetrc says how a node finds others: it would read the machine's resolv.conf again, if it were not told otherwise.
func inetrc(dns string) (string, error) {
	text := "{resolv_conf,\"\"}.\n{hosts_file,\"\"}.\n{host,{127,0,0,1},[\"localhost\"]}.\n"
	if dns == "" {
		return text + "{lookup,[file]}.\n", nil
	}
	host, port, err := net.SplitHostPort(dns)
	if err != nil {
		return "", err
	}
	return text + fmt.Sprintf("{lookup,[file,dns]}.\n{nameserver,{%s},%s}.\n", strings.ReplaceAll(host, ".", ","), port), nil
}
