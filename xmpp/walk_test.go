package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/pki"
)

// A domainOfServers has its servers in memory.
type domainOfServers struct {
	t       *testing.T
	servers map[string]func(*raw) // by address; nil: nothing listens
	playing sync.WaitGroup
	tried   []string
}

func (d *domainOfServers) dial(ctx context.Context, t Target) (net.Conn, error) {
	d.tried = append(d.tried, t.Address)
	fn := d.servers[t.Address]
	if fn == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := net.Pipe()
	d.playing.Go(func() { newRaw(d.t, theirs).run(fn) })
	return ours, nil
}

// resolver knows the servers of the domain in this order.
func (d *domainOfServers) resolver(addresses ...string) *Resolver {
	r := &Resolver{Static: map[string][]Target{}, dial: d.dial}
	for _, a := range addresses {
		r.Static[domain] = append(r.Static[domain], Target{Address: a, Static: true})
	}
	return r
}

// RFC 6120, Sections 3.2.1 and 4.9.3.19.
func TestDialWalksOverTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		impostor, err := p.site.ca.IssueServer("other.example")
		if err != nil {
			t.Fatal(err)
		}
		good := func(r *raw) {
			r.ready(p.server.Identity)
			r.rest()
		}
		hangs := func(r *raw) { r.rest() }
		wrong := func(r *raw) {
			r.until("streams'>")
			r.send(serverHeader, features(startTLSOffer))
			r.until(startTLSAsk)
			r.send(proceed)
			r.handshake(tls.Server(r.nc, pki.ServerTLS(impostor)))
			r.rest()
		}
		streamError := func(secured bool, condition string) func(*raw) {
			return func(r *raw) {
				if secured {
					r.secured(p.server.Identity)
				} else {
					r.until("streams'>")
				}
				r.send(serverHeader, "<stream:error>", condition, "</stream:error>", closeTag)
				r.rest()
			}
		}
		elsewhere := func(host string) string {
			return "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" + host + "</see-other-host>"
		}
		refuses := func(r *raw) {
			r.secured(p.server.Identity)
			r.send(serverHeader, features(externalOffer))
			r.until(externalAuth)
			r.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
			r.rest()
		}
		for _, tc := range []struct {
			name    string
			servers map[string]func(*raw)
			order   string
			tried   string
			err     []string      // what it names; nil: there is none
			within  time.Duration // default: no time passes
		}{
			{"the first takes us", map[string]func(*raw){"a:1": good}, "a:1 b:1", "a:1", nil, 0},
			{"nothing listens at the first", map[string]func(*raw){"b:1": good}, "a:1 b:1", "a:1 b:1", nil, 0},
			{"the first hangs", map[string]func(*raw){"a:1": hangs, "b:1": good}, "a:1 b:1", "a:1 b:1", nil, 12 * time.Second},
			{"the first has the certificate of another domain", map[string]func(*raw){"a:1": wrong, "b:1": good}, "a:1 b:1", "a:1 b:1", nil, 0},
			{"the first does not serve the domain", map[string]func(*raw){"a:1": streamError(true, "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"), "b:1": good}, "a:1 b:1", "a:1 b:1", nil, 0},
			{"the first shuts down", map[string]func(*raw){"a:1": streamError(true, "<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"), "b:1": good}, "a:1 b:1", "a:1 b:1", nil, 0},
			{"a refusal is not asked for again", map[string]func(*raw){"b:1": refuses, "c:1": good}, "a:1 b:1 c:1", "a:1 b:1", []string{"a:1 (connect)", "b:1 (sasl)", "not-authorized", "2 servers"}, 0},
			{"nobody takes us", map[string]func(*raw){"b:1": wrong}, "a:1 b:1 c:1", "a:1 b:1 c:1", []string{"a:1 (connect)", "b:1 (tls)", "c:1 (connect)"}, 0},
			{"the first sends us elsewhere", map[string]func(*raw){"a:1": streamError(true, elsewhere("c:7")), "b:1": hangs, "c:7": good}, "a:1 b:1", "a:1 c:7", nil, 0},
			{"elsewhere without a port", map[string]func(*raw){"a:1": streamError(true, elsewhere("[2001:db8::1]")), "[2001:db8::1]:5222": good}, "a:1", "a:1 [2001:db8::1]:5222", nil, 0},
			{"elsewhere proves nothing", map[string]func(*raw){"a:1": streamError(true, elsewhere("c:7")), "c:7": wrong, "b:1": good}, "a:1 b:1", "a:1 c:7 b:1", nil, 0},
			{"who sends us elsewhere has proved nothing", map[string]func(*raw){"a:1": streamError(false, elsewhere("c:7")), "b:1": good, "c:7": good}, "a:1 b:1", "a:1 b:1", nil, 0},
			{"round in a circle", map[string]func(*raw){"a:1": streamError(true, elsewhere("b:1")), "b:1": streamError(true, elsewhere("a:1"))}, "a:1", "a:1 b:1", []string{"see-other-host"}, 0},
			{"ever further", map[string]func(*raw){"a:1": streamError(true, elsewhere("b:1")), "b:1": streamError(true, elsewhere("c:1")), "c:1": streamError(true, elsewhere("d:1")),
				"d:1": streamError(true, elsewhere("e:1")), "e:1": good}, "a:1", "a:1 b:1 c:1 d:1", []string{"see-other-host"}, 0},
			{"elsewhere is no place", map[string]func(*raw){"a:1": streamError(true, elsewhere("tls://c:7")), "b:1": good}, "a:1 b:1", "a:1 b:1", nil, 0},
		} {
			d := &domainOfServers{t: t, servers: tc.servers}
			p.client.Dialer, p.client.Resolver = nil, d.resolver(strings.Fields(tc.order)...)
			start := time.Now()
			s, err := Dial(t.Context(), p.client)
			if took := time.Since(start); took > tc.within+3*time.Second { // some peers are waited for when a stream closes
				t.Errorf("%s: took %v, want %v", tc.name, took, tc.within)
			}
			if err == nil {
				s.Close()
			}
			if want := strings.Fields(tc.tried); !slices.Equal(want, d.tried) {
				t.Errorf("%s: tried %v, want %v", tc.name, d.tried, want)
			}
			if (err == nil) != (tc.err == nil) {
				t.Errorf("%s: Dial: %v, want an error with %q", tc.name, err, tc.err)
			}
			for _, word := range tc.err {
				if err != nil && !strings.Contains(err.Error(), word) {
					t.Errorf("%s: Dial: %v\nwant it to have %q", tc.name, err, word)
				}
			}
			d.playing.Wait()
		}
	})
}

func TestErrorsOfSeveralServersAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		d := &domainOfServers{t: t}
		p.client.Dialer, p.client.Resolver = nil, d.resolver("a:1", "b:1")
		_, err := Dial(t.Context(), p.client)
		var ne *NegotiationError
		var all *DialError
		if !errors.As(err, &ne) || ne.Target.Address != "b:1" || !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &all) || len(all.Tried) != 2 {
			t.Errorf("Dial: %#v; want a DialError of two, the last in front", err)
		}
	})
}

// A context that ends keeps the rest from being tried.
func TestDialGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		d := &domainOfServers{t: t, servers: map[string]func(*raw){"a:1": func(r *raw) { r.rest() }}}
		p.client.Dialer, p.client.Resolver = nil, d.resolver("a:1", "b:1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Dial(ctx, p.client)
		if diff := cmp.Diff([]string{"a:1"}, d.tried); !errors.Is(err, context.DeadlineExceeded) || diff != "" {
			t.Errorf("Dial: %v, tried (-want +got):\n%s", err, diff)
		}
		d.playing.Wait()
	})
}

func TestDialOfADomainWithoutServers(t *testing.T) {
	p := newPair(t)
	p.client.Dialer = nil
	p.client.Resolver = &Resolver{Static: map[string][]Target{domain: {{Address: "127.0.0.1:1"}}}}
	if _, err := Dial(t.Context(), p.client); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial: %v; want connection refused", err)
	}
	var ne *NegotiationError
	p.client.Resolver = &Resolver{DNS: notOffered().resolver()}
	if _, err := Dial(t.Context(), p.client); !errors.Is(err, ErrNotOffered) || !errors.As(err, &ne) || ne.Step != StepConnect || ne.Hint == "" {
		t.Errorf("Dial: %v; want ErrNotOffered with a hint", err)
	}
	p.clientEnd.Close()
}
