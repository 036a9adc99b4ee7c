package xmpp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"busbar.example/xmpp/jid"
)

// Service is what of a domain is looked up. Its sibling whose TLS begins with the
// first octet, xmpps-client of xmpp-client, is looked up beside it.
//
// RFC 6120, Section 14.3; XEP-0368, Section 2.
type Service string

// The services of a domain.
const (
	ClientService Service = "xmpp-client"
	ServerService Service = "xmpp-server"
)

// port is where the service listens if the DNS does not say.
//
// RFC 6120, Section 14.7.
func (s Service) port() string {
	if s == ServerService {
		return "5269"
	}
	return "5222"
}

// direct is the sibling with direct TLS.
func (s Service) direct() string { return "xmpps" + strings.TrimPrefix(string(s), "xmpp") }

// A Target is one place at which to try a service. It never decides whose
// certificate is accepted: that is the domain's.
type Target struct {
	Address string // host:port
	Direct  bool   // TLS from the first octet on, XEP-0368
	Static  bool   // configured, not found in the DNS
}

// String returns the address, with the prefix tls:// where TLS comes first, as
// ParseTarget reads it.
func (t Target) String() string {
	if t.Direct {
		return directPrefix + t.Address
	}
	return t.Address
}

const directPrefix = "tls://"

// ParseTarget reads a configured place: HOST:PORT, or tls://HOST:PORT for TLS
// from the first octet on. An IPv6 address stands in brackets.
func ParseTarget(s string) (Target, error) {
	address, direct := strings.CutPrefix(s, directPrefix)
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || strings.ContainsAny(host, "/@ ")) {
		err = errors.New("there is no host")
	}
	if n, bad := strconv.ParseUint(port, 10, 16); err == nil && (bad != nil || n == 0) {
		err = errors.New("the port is not one of 1 to 65535")
	}
	if err != nil {
		var a *net.AddrError
		if errors.As(err, &a) {
			err = errors.New(a.Err)
		}
		return Target{}, fmt.Errorf("xmpp: %.64q is no HOST:PORT or tls://HOST:PORT: %w", s, err)
	}
	return Target{Address: address, Direct: direct, Static: true}, nil
}

// A Resolver finds the places of a domain's service. The zero value asks the DNS.
// It is for any goroutine, and Static must not change while it is in use.
type Resolver struct {
	// Static holds the places of domains, for the one service that the Resolver is
	// used for, in the order in which to try. Such a domain is not looked up.
	Static map[string][]Target
	DNS    *net.Resolver // default: net.DefaultResolver

	timeout time.Duration                                         // of tests; 0: srvTimeout
	dial    func(ctx context.Context, t Target) (net.Conn, error) // of tests
}

const (
	maxTargets = 16              // of one domain that are tried: a DNS answer may hold thousands
	srvTimeout = 5 * time.Second // for the SRV records; then the domain itself is tried
)

// ErrNotOffered says that a domain's DNS declares that it does not have the service.
//
// RFC 6120, Section 3.2.1.
var ErrNotOffered = errors.New("the domain says that it does not offer this service (SRV \".\")")

// Targets returns where to try s of domain, in order: the SRV records of the
// service and of its sibling with direct TLS together, by priority and, within one,
// at random by weight; without any the domain itself at the service's own port. It
// returns 16 at most, each once. It fails if the domain does not offer the service,
// with ErrNotOffered, or if no record of the answer is of use.
//
// RFC 6120, Section 3.2; RFC 2782; XEP-0368, Section 2.
func (r *Resolver) Targets(ctx context.Context, domain string, s Service) ([]Target, error) {
	j, err := jid.New("", domain, "")
	if err != nil {
		return nil, fmt.Errorf("xmpp: looking up %s: %w", s, err)
	}
	if r != nil {
		for _, name := range []string{domain, j.Domain(), j.ASCIIDomain()} {
			if static := r.Static[name]; len(static) > 0 {
				return slices.Clone(static), nil
			}
		}
	}
	host := strings.Trim(j.ASCIIDomain(), "[]")
	itself := []Target{{Address: net.JoinHostPort(host, s.port())}}
	if _, err := netip.ParseAddr(host); err == nil {
		return itself, nil
	}
	plain, direct := r.lookup(ctx, host, s)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("xmpp: looking up %s of %s: %w", s, domain, err)
	}
	targets := order(append(plain.records, direct.records...), rand.Uint32N)
	switch bad := errors.Join(plain.refused, direct.refused); {
	case len(targets) > 0:
		return targets, nil
	case plain.none:
		return nil, fmt.Errorf("xmpp: looking up %s of %s: %w", s, domain, ErrNotOffered)
	case bad != nil:
		return nil, fmt.Errorf("xmpp: looking up %s of %s: no record of the DNS's answer is of use: %w", s, domain, bad)
	}
	return itself, nil
}

// A record is one SRV record, and of which sibling it is.
type record struct {
	*net.SRV
	direct bool
}

// An answer is what the DNS says of one of the siblings. An answer that does not
// come, or is none, is as one without records: whoever can hold it back can do no
// more than that, since the certificate decides.
type answer struct {
	records []record
	none    bool  // the service is decidedly not offered
	refused error // why records were passed over
}

// lookup asks for both siblings at once.
func (r *Resolver) lookup(ctx context.Context, host string, s Service) (plain, direct answer) {
	timeout := srvTimeout
	if r != nil && r.timeout > 0 {
		timeout = r.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		direct = r.lookupSRV(ctx, host, s.direct())
		for i := range direct.records {
			direct.records[i].direct = true
		}
	}()
	plain = r.lookupSRV(ctx, host, string(s))
	<-done
	return plain, direct
}

func (r *Resolver) lookupSRV(ctx context.Context, host, service string) (a answer) {
	// The dot at the end keeps the search list of this host out of it.
	_, found, err := r.dns().LookupSRV(ctx, service, "tcp", host+".")
	if err != nil && found != nil { // some have names that are none, and are left out
		a.refused = err
	}
	if len(found) == 1 && found[0].Target == "." {
		a.none = true
		return a
	}
	for _, srv := range found {
		if err := usable(srv); err != nil {
			a.refused = err
			continue
		}
		a.records = append(a.records, record{SRV: srv})
	}
	return a
}

func (r *Resolver) dns() *net.Resolver {
	if r == nil || r.DNS == nil {
		return net.DefaultResolver
	}
	return r.DNS
}

// usable says what is wrong with a record.
//
// RFC 2782: the target is a domain name, and no address.
func usable(srv *net.SRV) error {
	host := strings.TrimSuffix(srv.Target, ".")
	if host == "" || srv.Port == 0 {
		return fmt.Errorf("SRV record with the target %.64q and port %d", srv.Target, srv.Port)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("SRV record whose target %.64q is no name", srv.Target)
	}
	j, err := jid.New("", host, "")
	if err != nil || j.ASCIIDomain() != strings.ToLower(host) {
		return fmt.Errorf("SRV record whose target %.64q is no host name", srv.Target)
	}
	return nil
}

// order puts records in the order in which to try them. random returns a number
// below n.
//
// RFC 2782, "Usage rules", Weight.
func order(records []record, random func(n uint32) uint32) []Target {
	slices.SortStableFunc(records, func(a, b record) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return int(min(a.Weight, 1)) - int(min(b.Weight, 1)) // those of weight 0 first
	})
	var targets []Target
	for len(records) > 0 && len(targets) < maxTargets {
		i := choose(records, random)
		host := strings.ToLower(strings.TrimSuffix(records[i].Target, "."))
		t := Target{Address: net.JoinHostPort(host, strconv.Itoa(int(records[i].Port))), Direct: records[i].direct}
		if !slices.Contains(targets, t) {
			targets = append(targets, t)
		}
		records = slices.Delete(records, i, i+1)
	}
	return targets
}

// choose picks one of the records that share the lowest priority, by weight.
func choose(records []record, random func(n uint32) uint32) int {
	n, sum := 0, uint32(0)
	for n < len(records) && records[n].Priority == records[0].Priority {
		sum += uint32(records[n].Weight)
		n++
	}
	at := random(sum + 1)
	for i := range n {
		w := uint32(records[i].Weight)
		if at <= w {
			return i
		}
		at -= w
	}
	return 0
}

// connect opens a TCP connection to t, whose host's addresses the same DNS has.
func (r *Resolver) connect(ctx context.Context, t Target) (net.Conn, error) {
	d := net.Dialer{}
	if r != nil && r.dial != nil {
		return r.dial(ctx, t)
	}
	if r != nil {
		d.Resolver = r.DNS
	}
	return d.DialContext(ctx, "tcp", t.Address)
}
