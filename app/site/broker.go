package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

// BrokerOptions says how to run the site's broker.
type BrokerOptions struct {
	Listen string         // HOST:PORT; port 0 takes a free one; default: as busbar.yaml says
	Ready  func(net.Addr) // called once it listens
	Logger *slog.Logger
	Audit  audit.Sink
	Tap    func(from jid.JID, start, payload []byte) // shown every stanza that is routed

	Refresh time.Duration // how often revocation lists are read again; default 1 minute
}

// drainTime is how long a broker that ends waits for its clients to take what is queued.
const drainTime = 5 * time.Second

// RunBroker serves the site's domain until ctx ends, then takes leave of its clients.
func (s *Site) RunBroker(ctx context.Context, o BrokerOptions) error {
	id, err := pki.LoadIdentity(s.Path("pki", "broker", "tls.crt"), s.Path("pki", "broker", "tls.key"))
	if err != nil {
		return Hint(fmt.Errorf("broker: %w", err), "`busbar init` makes the broker's key and certificate: they must be there, the key readable to this user only")
	}
	trust, err := s.trust(pki.E2M)
	if err != nil {
		return err
	}
	if _, err := trust.VerifyServer(id.Chain, s.jid.ASCIIDomain(), time.Now()); err != nil {
		return fmt.Errorf("broker: own TLS %w", err)
	}
	groups, err := s.groups()
	if err != nil {
		return err
	}
	passwords := &livePasswords{site: s}
	if err := passwords.Refresh(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	server, err := xmppd.New(xmppd.Config{Domain: s.Domain, Trust: trust, Passwords: &passwords.Passwords,
		Live:   xmppd.Live{Identity: id, Groups: groups},
		Logger: o.Logger, Audit: o.Audit, Tap: o.Tap})
	if err != nil {
		return err
	}
	defer server.Close()
	l, err := s.listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	if err := s.noteBroker(l.Addr()); err != nil {
		l.Close()
		return err
	}
	defer s.forgetBroker(l.Addr())
	if o.Ready != nil {
		o.Ready(l.Addr())
	}
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watchRevocation(watch, o.Refresh, cmp.Or(o.Logger, silent), server.Recheck, trust, passwords) })
	defer watching.Wait()
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.WithoutCancel(ctx), l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = server.Shutdown(drain)
	if served := <-served; !errors.Is(served, xmppd.ErrServerClosed) {
		return served
	}
	return err
}

func (s *Site) listen(ctx context.Context, address string) (net.Listener, error) {
	where := "--listen"
	if address == "" {
		where, address = FileName+": broker.listen", cmp.Or(s.Config.Broker.Listen, "127.0.0.1:5222")
	}
	if err := CheckAddress(where, address); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, Hint(fmt.Errorf("broker: %w", err), "another program may use that port: choose one with --listen HOST:PORT, where port 0 takes a free one")
	}
	return l, nil
}

// noteBroker writes where the broker listens, for the commands that run in the same folder. Who finds the file
// finds the whole address in it.
func (s *Site) noteBroker(a net.Addr) error {
	if err := os.MkdirAll(s.Path("run"), 0o700); err != nil {
		return err
	}
	return replaceFile(s.brokerFile(), []byte(a.String()+"\n"))
}

// forgetBroker removes the note, unless another broker has overwritten it.
func (s *Site) forgetBroker(a net.Addr) {
	if noted, err := os.ReadFile(s.brokerFile()); err == nil && strings.TrimSpace(string(noted)) == a.String() {
		os.Remove(s.brokerFile())
	}
}

// groups is the roster that busbar.yaml describes.
func (s *Site) groups() ([]xmppd.Group, error) {
	var groups []xmppd.Group
	for _, g := range s.Config.Broker.Groups {
		group := xmppd.Group{Name: g.Name}
		for _, m := range g.Members {
			j, err := s.Account(m)
			if err != nil {
				return nil, fmt.Errorf("%s: broker.groups: %s: %w", FileName, g.Name, err)
			}
			group.Members = append(group.Members, j.Bare())
		}
		groups = append(groups, group)
	}
	return groups, nil
}
