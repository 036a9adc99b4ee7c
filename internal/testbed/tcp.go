package testbed

import (
	"context"
	"errors"
	"net"
	"sync"

	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// host is the name of a party in DNS, and in its certificate.
func host(name string) string { return name + "." + Domain }

// ConfigTCP is how an account with the given roles asks others over TCP. Each call makes new certificates.
func (b *Bed) ConfigTCP(name string, roles ...rbac.Role) iso81.Config {
	b.t.Helper()
	account := JID(name).Bare()
	b.grant(account, roles)
	cfg := iso81.Config{Audit: &b.Audit, Dialer: b.dialTCP}
	switch b.mode {
	case TCP:
		cfg.Auth = &iso81.Auth{Password: []byte(account.String())}
	case TLS:
		id, err := b.e2m.IssueClientTLS(account.String())
		must(b.t, err)
		cfg.TLS = &iso81.TLS{Identity: id, Trust: b.e2mTrust}
	default:
		b.t.Fatal("this test is about TCP, and takes the modes TCP and TLS")
	}
	return cfg
}

// ServerConfigTCP is how an account serves others over TCP: each with the roles that it has been given, strangers not at all.
func (b *Bed) ServerConfigTCP(name string) iso81.ServerConfig {
	b.t.Helper()
	cfg := iso81.ServerConfig{Config: iso81.Config{Audit: &b.Audit}, Subject: b.credentials}
	if b.mode == TLS {
		id, err := b.e2m.IssuePeerTLS(JID(name).Bare().String(), host(name))
		must(b.t, err)
		cfg.TLS = &iso81.TLS{Identity: id, Trust: b.e2mTrust}
	}
	return cfg
}

// credentials says who a peer is: the name is its word with TCP, and its certificate's with TLS.
func (b *Bed) credentials(c iso81.Credentials) (rbac.Subject, error) {
	name := string(c.Password)
	if b.mode == TLS {
		name = pki.Name(c.TLS.Leaf())
	}
	account, err := jid.Parse(name)
	if err == nil {
		if grants, ok := b.granted(account); ok {
			return rbac.Subject{Name: name, Grants: grants, Unauthenticated: b.mode == TCP}, nil
		}
		err = errors.New("nobody has given it roles")
	}
	b.Audit.Record(audit.Event{ID: audit.PeerRefused, Peer: c.RemoteAddr, Text: err.Error()})
	return rbac.Subject{}, iso81.Refuse(iso81.DiagnosticAuthenticationFailure, err)
}

// dialTCP connects to the party whose host it is.
func (b *Bed) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	l := b.listen[name]
	b.mu.Unlock()
	switch l := l.(type) {
	case nil:
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("nobody listens at " + address)}
	case *Listener:
		return l.Dial(ctx)
	default:
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
}

// ListenTCP listens as the host of an account, until the listener is closed.
func (b *Bed) ListenTCP(name string) (net.Listener, error) {
	var l net.Listener = NewListener()
	if !b.memory {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listen[host(name)] = l
	return &leaving{Listener: l, leave: func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.listen[host(name)] == l {
			delete(b.listen, host(name))
		}
	}}, nil
}

// leaving is a listener whose host is not found once it is closed.
type leaving struct {
	net.Listener
	leave func()
}

func (l *leaving) Close() error {
	l.leave()
	return l.Listener.Close()
}

// direct is a Party on line over TCP.
type direct struct {
	client   iso81.Config
	listener *iso81.Listener // nil: it does not serve

	mu    sync.Mutex
	conns []net.Conn // of both sides
	links []assoc.Link
}

// byTCP is how a Party goes on line over TCP.
func (b *Bed) byTCP(name string, serve bool, roles []rbac.Role) func(context.Context) (carrier, error) {
	b.t.Helper()
	client := b.ConfigTCP(name, roles...)
	var server iso81.ServerConfig
	if serve {
		server = b.ServerConfigTCP(name)
	}
	return func(context.Context) (carrier, error) {
		d := &direct{client: client}
		d.client.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.note(client.Dialer(ctx, network, address))
		}
		if !serve {
			return d, nil
		}
		l, err := b.ListenTCP(name)
		if err == nil {
			d.listener, err = iso81.NewListener(&noting{l, d}, server)
		}
		return d, err
	}
}

// note remembers a connection.
func (d *direct) note(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, conn)
	return conn, nil
}

// noting is a listener whose connections are remembered.
type noting struct {
	net.Listener
	d *direct
}

func (n *noting) Accept() (net.Conn, error) { return n.d.note(n.Listener.Accept()) }

func (d *direct) associate(ctx context.Context, peer string) (assoc.Link, error) {
	link, err := iso81.Dial(ctx, host(peer), d.client)
	if err != nil {
		return nil, err
	}
	return d.keep(link), nil
}

func (d *direct) accept(ctx context.Context) (assoc.Link, error) {
	if d.listener == nil {
		return nil, errors.New("it does not serve")
	}
	link, err := d.listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return d.keep(link), nil
}

// keep remembers a link, which ends with d.
func (d *direct) keep(link assoc.Link) assoc.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = append(d.links, link)
	return link
}

func (d *direct) cut() {
	d.mu.Lock()
	for _, conn := range d.conns {
		conn.Close()
	}
	d.mu.Unlock()
	d.close()
}

func (d *direct) close() {
	if d.listener != nil {
		d.listener.Close()
	}
	d.mu.Lock()
	links := d.links
	d.links = nil
	d.mu.Unlock()
	var ending sync.WaitGroup
	for _, link := range links {
		ending.Go(func() { link.Close() })
	}
	ending.Wait()
}
