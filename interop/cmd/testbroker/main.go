// Command testbroker serves the broker of Busbar to test suites of other XMPP programs: with a domain and port of their
// choice, a certificate of its own making, and accounts by password that they may make themselves. It is no product:
// it lets anybody in who reaches its port, and listens on loopback only.
//
//	testbroker --domain xmpp.test --listen 127.0.0.1:5222 --dir /tmp/broker --account alice:secret --account bob:secret
//
// When it listens it prints one line of JSON: its address, and the files that it has written.
package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

func main() {
	var o options
	flag.StringVar(&o.Domain, "domain", "xmpp.test", "the `domain` to serve")
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:0", "the loopback `address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.Dir, "dir", "", "the `folder` to write the certificates to; needed")
	flag.Func("account", "an account, as `NAME:PASSWORD`; may be repeated", func(s string) error {
		name, password, ok := strings.Cut(s, ":")
		if !ok {
			return fmt.Errorf("%q is not NAME:PASSWORD", s)
		}
		o.Accounts = append(o.Accounts, [2]string{name, password})
		return nil
	})
	flag.Func("client", "issue a client certificate to this account, by `NAME`; may be repeated", func(s string) error {
		o.Clients = append(o.Clients, s)
		return nil
	})
	flag.IntVar(&o.Registrations, "registrations", 1000, "up to how `many` accounts there may be for clients to make another; 0: they make none")
	verbose := flag.Bool("v", false, "log what happens to streams, to standard error")
	flag.Parse()
	if *verbose {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := serve(ctx, o, func(r ready) error { return json.NewEncoder(os.Stdout).Encode(r) })
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "testbroker:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	Domain, Listen, Dir string
	Accounts            [][2]string // name and password
	Clients             []string
	Registrations       int
	Logger              *slog.Logger
	Audit               audit.Sink
}

// ready is what the broker says when it listens.
type ready struct {
	Address string            `json:"address"`
	Domain  string            `json:"domain"`
	Root    string            `json:"root"`    // file with the certificate that vouches for all others
	Clients map[string]string `json:"clients"` // files with a certificate and its key, without .crt and .key, by name of the account
}

// serve serves until ctx ends, and calls listening once.
func serve(ctx context.Context, o options, listening func(ready) error) error {
	cfg, says, err := configure(o)
	if err != nil {
		return err
	}
	server, err := xmppd.New(cfg)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		l.Close()
		return fmt.Errorf("%s is not a loopback address: this broker lets anybody in", l.Addr())
	}
	says.Address = l.Addr().String()
	if err := listening(says); err != nil {
		l.Close()
		return err
	}
	return server.Serve(ctx, l)
}

// configure makes the certificates and accounts.
func configure(o options) (cfg xmppd.Config, says ready, err error) {
	fail := func(err error) (xmppd.Config, ready, error) { return xmppd.Config{}, ready{}, err }
	if o.Dir == "" {
		return fail(fmt.Errorf("a folder for the certificates is needed: --dir"))
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fail(err)
	}
	root, err := pki.NewRoot(pki.E2M, o.Domain)
	if err != nil {
		return fail(err)
	}
	issuing, err := root.NewIssuing()
	if err != nil {
		return fail(err)
	}
	says = ready{Domain: o.Domain, Root: filepath.Join(o.Dir, "root.crt"), Clients: map[string]string{}}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate().Raw})
	if err := os.WriteFile(says.Root, text, 0o644); err != nil {
		return fail(err)
	}
	for _, name := range o.Clients {
		id, err := issuing.IssueClientTLS(name + "@" + o.Domain)
		if err != nil {
			return fail(err)
		}
		says.Clients[name] = filepath.Join(o.Dir, name)
		if err := id.Save(says.Clients[name]+".crt", says.Clients[name]+".key"); err != nil {
			return fail(err)
		}
	}
	trust, err := pki.LoadTrust([]string{says.Root}, nil)
	if err != nil {
		return fail(err)
	}
	identity, err := issuing.IssueServer(o.Domain)
	if err != nil {
		return fail(err)
	}
	passwords := new(sasl.Passwords)
	for _, a := range o.Accounts {
		account, err := jid.New(a[0], o.Domain, "")
		if err != nil {
			return fail(fmt.Errorf("account %q: %w", a[0], err))
		}
		if err := passwords.Register(account, a[1]); err != nil {
			return fail(fmt.Errorf("account %q: %w", a[0], err))
		}
	}
	cfg = xmppd.Config{
		Domain: o.Domain, Trust: trust, Passwords: passwords, Legacy: true, Registrations: o.Registrations,
		Rosters: new(xmppd.Rosters), Logger: o.Logger, Audit: o.Audit,
		Live: xmppd.Live{Identity: identity, Groups: []xmppd.Group{}},
	}
	return cfg, says, nil
}
