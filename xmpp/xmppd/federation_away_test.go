package xmppd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// inWorld runs a test with two domains on the clock of a bubble.
func inWorld(t *testing.T, configure func(domain string, cfg *xmppd.Config), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, configure, domain, utility)
		defer w.close()
		time.Sleep(time.Hour) // into the time in which the certificates are valid
		test(t, w)
	})
}

// asks sends a request and returns what comes of it, and after how long.
func asks(s *xmpp.Session, to string) (condition stanza.Condition, after time.Duration) {
	began := time.Now()
	_, err := ask(s, to, "<q xmlns='urn:x'/>")
	if e, ok := errors.AsType[*stanza.Error](err); ok {
		return e.Condition, time.Since(began)
	}
	return stanza.Condition(fmt.Sprint(err)), time.Since(began)
}

func TestWhatWaitsForAnotherServer(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
		ems := w.realms[utility].login("ems@utility.example/IEC", nil)
		defer ied.Close()
		defer ems.Close()

		// It is back in time: what was asked meanwhile is answered.
		w.broken.Store(true)
		go func() {
			time.Sleep(3 * time.Second)
			w.broken.Store(false)
		}()
		if c, after := asks(ems, "pv1@dso.example/IEC"); c != "<nil>" || after < 3*time.Second || after > 10*time.Second {
			t.Errorf("asking a server that comes back: %s after %v, want an answer within 3 to 10 s", c, after)
		}

		// It is not.
		w.cut(true)
		if c, after := asks(ems, "pv1@dso.example/IEC"); c != stanza.RemoteServerTimeout || after > 10*time.Second {
			t.Errorf("asking a server that is away: %s after %v, want remote-server-timeout within 10 s", c, after)
		}
		// Where the next attempt is too far off nobody waits for it.
		for range 8 {
			asks(ems, "pv1@dso.example/IEC")
		}
		if c, after := asks(ems, "pv1@dso.example/IEC"); c != stanza.RemoteServerTimeout || after > time.Second {
			t.Errorf("asking a server that has long been away: %s after %v, want remote-server-timeout at once", c, after)
		}
		before := w.dials.Load()
		time.Sleep(10 * time.Minute)
		if n := w.dials.Load() - before; n > 2 {
			t.Errorf("%d attempts in 10 minutes in which nobody wants anything", n)
		}
		w.broken.Store(false)
		time.Sleep(30 * time.Second)
		if c, _ := asks(ems, "pv1@dso.example/IEC"); c != "<nil>" {
			t.Errorf("asking a server that is back: %s", c)
		}
	})
}

// Attempts become rarer, up to a bound, and do not come at regular times.
func TestPausesBetweenAttempts(t *testing.T) {
	inWorld(t, grouped("pv1@dso.example", "ems@utility.example"), func(t *testing.T, w *world) {
		w.broken.Store(true)
		ems := w.realms[utility].login("ems@utility.example/IEC", nil)
		defer ems.Close()
		available(t, ems, "") // which is to be told, however long it takes
		time.Sleep(time.Hour)
		if n := w.dials.Load(); n < 120 || n > 260 {
			t.Errorf("%d attempts in an hour, want one each 15 to 30 s", n)
		}
		peer := w.realms[utility].server.Peers()[0]
		if peer.Domain != domain || peer.State != "waiting" || peer.Failed == nil || peer.Retry.IsZero() {
			t.Errorf("the peer is %+v", peer)
		}
	})
}

func TestQueueForAnotherServerIsBounded(t *testing.T) {
	inWorld(t, func(_ string, cfg *xmppd.Config) { cfg.Federation.QueueSize, cfg.Federation.Wait = 64<<10, time.Minute }, func(t *testing.T, w *world) {
		w.broken.Store(true)
		bounced := make(chan string, 1000)
		ems := w.realms[utility].login("ems@utility.example/IEC", func(_ *xmpp.Session, st stanza.Stanza) {
			if st.Type == stanza.TypeError {
				e, _ := stanza.ParseError(st.Payload)
				bounced <- st.ID + " " + string(e.Condition)
			}
		})
		defer ems.Close()
		for i := range 20 {
			st := stanza.Stanza{Kind: stanza.Message, ID: fmt.Sprint(i), To: jid.MustParse("pv1@dso.example/IEC"), Payload: []byte("<body>" + strings.Repeat("x", 8<<10) + "</body>")}
			if err := ems.Send(t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if n := w.realms[utility].server.Peers()[0].Queued; n > 64<<10 || n < 48<<10 {
			t.Errorf("%d octets wait, want nearly 64 KiB", n)
		}
		full := map[string]int{}
		for len(bounced) > 0 {
			_, condition, _ := strings.Cut(<-bounced, " ")
			full[condition]++
		}
		if full[string(stanza.ResourceConstraint)] != 13 || len(full) != 1 {
			t.Errorf("bounced at once: %v, want 13 times resource-constraint", full)
		}
		time.Sleep(2 * time.Minute)
		if n := len(bounced); n != 7 {
			t.Errorf("%d came back when they had waited enough, want 7", n)
		}
		for len(bounced) > 0 {
			if s := <-bounced; !strings.HasSuffix(s, string(stanza.RemoteServerTimeout)) {
				t.Errorf("bounced: %s", s)
			}
		}
	})
}

// A request that the other server has taken, and then was lost with, comes back at once.
func TestRequestsComeBackWhenTheOtherServerIsLost(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		arrived := make(chan struct{}, 1)
		ied := w.realms[domain].login("pv1@dso.example/IEC", func(*xmpp.Session, stanza.Stanza) { arrived <- struct{}{} })
		ems := w.realms[utility].login("ems@utility.example/IEC", nil)
		defer ied.Close()
		defer ems.Close()
		go func() {
			<-arrived
			w.cut(true)
		}()
		if c, after := asks(ems, "pv1@dso.example/IEC"); c != stanza.RemoteServerTimeout || after > time.Second {
			t.Errorf("%s after %v, want remote-server-timeout at once", c, after)
		}
	})
}

// A server that does not answer any more, while the connection to it stands, is noticed.
func TestSilentServerIsLost(t *testing.T) {
	inWorld(t, grouped("pv1@dso.example", "ems@utility.example"), func(t *testing.T, w *world) {
		heard := newInbox()
		ied := w.realms[domain].login("pv1@dso.example/IEC", nil)
		ems := w.realms[utility].login("ems@utility.example/IEC", heard.take)
		defer ied.Close()
		defer ems.Close()
		available(t, ied, "")
		available(t, ems, "")
		heard.wait(t, "pv1@dso.example/IEC", "available")
		time.Sleep(time.Minute) // it has answered some pings
		w.mute.Store(true)
		began := time.Now()
		heard.wait(t, "pv1@dso.example/IEC", "unavailable")
		if after := time.Since(began); after > 40*time.Second {
			t.Errorf("noticed after %v, want 40 s at most", after)
		}
		w.mute.Store(false)
		w.cut(false)
		heard.wait(t, "pv1@dso.example/IEC", "available")
	})
}

// A stream that nobody uses is closed, and opened again for who needs it.
func TestUnusedStreamIsClosed(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
		ems := w.realms[utility].login("ems@utility.example/IEC", nil)
		defer ied.Close()
		defer ems.Close()
		for range 2 {
			before := w.dials.Load()
			if c, _ := asks(ems, "pv1@dso.example/IEC"); c != "<nil>" {
				t.Fatal(c)
			}
			if n := w.dials.Load() - before; n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
			time.Sleep(time.Hour)
			for _, r := range w.realms {
				if p := r.server.Peers()[0]; p.State != "idle" || p.Stream != nil || len(p.Incoming) != 0 {
					t.Errorf("%s: an hour later its peer is %+v", r.domain, p)
				}
			}
		}
		if ids := lost(w); len(ids) > 0 {
			t.Errorf("streams were lost: %v", ids)
		}
	})
}

// lost returns the events of lost streams.
func lost(w *world) (events []audit.Event) {
	for _, r := range w.realms {
		for _, e := range r.events.Events() {
			if e.ID == audit.DomainLost || e.ID == audit.StreamRetired {
				events = append(events, e)
			}
		}
	}
	return events
}

// A stream that has become old is replaced, and nothing gets lost with it.
func TestStreamsAreReplacedInTime(t *testing.T) {
	configure := grouped("pv1@dso.example", "ems@utility.example")
	inWorld(t, func(d string, cfg *xmppd.Config) {
		configure(d, cfg)
		cfg.MaxAge = time.Hour
	}, func(t *testing.T, w *world) {
		heard := newInbox()
		ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
		defer ied.Close()
		available(t, ied, "")
		began := time.Now()
		ems := w.realms[utility].login("ems@utility.example/IEC", heard.take)
		defer ems.Close()
		available(t, ems, "")
		heard.wait(t, "pv1@dso.example/IEC", "available")
		for time.Since(began) < 53*time.Minute { // then the clients' own streams come to their age
			if c, after := asks(ems, "pv1@dso.example/IEC"); c != "<nil>" || after > 3*time.Second {
				t.Fatalf("after %v: %s within %v", time.Since(began), c, after)
			}
			time.Sleep(time.Second)
		}
		if n := w.dials.Load(); n != 4 {
			t.Errorf("%d connections within the first hour, want 4", n)
		}
		if events := lost(w); len(events) > 0 {
			t.Errorf("streams were lost: %v", events)
		}
		for _, s := range heard.seen {
			if strings.Contains(s, "pv1") && strings.Contains(s, "unavailable") {
				t.Errorf("heard %s", s)
			}
		}
	})
}

// Who was cut off from is told so, and what is queued goes out, when a server ends.
func TestShutdownTellsOtherDomains(t *testing.T) {
	inWorld(t, grouped("pv1@dso.example", "ems@utility.example"), func(t *testing.T, w *world) {
		heard := newInbox()
		ied := w.realms[domain].login("pv1@dso.example/IEC", nil)
		ems := w.realms[utility].login("ems@utility.example/IEC", heard.take)
		defer ied.Close()
		defer ems.Close()
		available(t, ied, "")
		available(t, ems, "")
		heard.wait(t, "pv1@dso.example/IEC", "available")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := w.realms[domain].server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		heard.wait(t, "pv1@dso.example/IEC", "unavailable")
		if c, _ := asks(ems, "pv1@dso.example/IEC"); c != stanza.RemoteServerTimeout {
			t.Errorf("asking a server that has ended: %s, want remote-server-timeout", c)
		}
	})
}

// A server whose certificate is revoked is no longer one to talk to, and one that is dropped from the configuration neither.
func TestM7AnotherServersCertificateIsRevoked(t *testing.T) {
	for name, withdraw := range map[string]func(w *world, trusted *map[string]*pki.Trust){
		"revoked": func(w *world, trusted *map[string]*pki.Trust) {
			(*trusted)[utility] = w.realms[utility].revokedTrust()
		},
		"no dealings any more": func(w *world, trusted *map[string]*pki.Trust) { delete(*trusted, utility) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trusted := map[string]*pki.Trust{}
			w := newWorld(t, func(d string, cfg *xmppd.Config) {
				cfg.Federation.Wait = 5 * time.Second // an answer waits for a stream of its own, on a machine that may be busy
				if d == domain {
					cfg.Federation.Trust = func(d string) *pki.Trust { return trusted[d] }
				}
			}, domain, utility)
			defer w.close()
			trusted[utility] = w.realms[utility].trust
			ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
			ems := w.realms[utility].login("ems@utility.example/IEC", echoes)
			defer ied.Close()
			defer ems.Close()
			for _, way := range []struct {
				from *xmpp.Session
				to   string
			}{{ems, "pv1@dso.example/IEC"}, {ied, "ems@utility.example/IEC"}} {
				if _, err := ask(way.from, way.to, "<q xmlns='urn:x'/>"); err != nil {
					t.Fatal(err)
				}
			}
			withdraw(w, &trusted)
			w.realms[domain].server.Recheck()
			waitFor(t, func() bool {
				for _, p := range w.realms[domain].server.Peers() {
					if p.Stream != nil || len(p.Incoming) > 0 {
						return false
					}
				}
				return true
			})
			withdrawn := slices.ContainsFunc(w.realms[domain].events.Events(), func(e audit.Event) bool {
				return (e.ID == audit.TLSClosedByRevocation || e.ID == audit.CredentialWithdrawn) && e.Subject == utility
			})
			if !withdrawn {
				t.Errorf("events: %v", notable(w.realms[domain].events))
			}
			if c, _ := asks(ied, "ems@utility.example/IEC"); c != stanza.RemoteServerTimeout && c != stanza.RemoteServerNotFound {
				t.Errorf("asking: %s", c)
			}
		})
	}
}

// An address that does not exist in the DNS is no server.
func TestServerThatIsNotToBeFound(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want stanza.Condition
	}{
		"no such host":       {&net.DNSError{Err: "no such host", IsNotFound: true}, stanza.RemoteServerNotFound},
		"connection refused": {errors.New("connection refused"), stanza.RemoteServerTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(_ string, cfg *xmppd.Config) {
				cfg.Federation.Dialer = func(context.Context, xmpp.Target) (net.Conn, error) { return nil, tt.err }
				if tt.want == stanza.RemoteServerTimeout {
					cfg.Federation.Wait = 100 * time.Millisecond
				}
			}, domain, utility)
			defer w.close()
			ems := w.realms[utility].login("ems@utility.example/IEC", nil)
			defer ems.Close()
			for range 2 {
				if c, after := asks(ems, "pv1@dso.example/IEC"); c != tt.want || after > 8*time.Second {
					t.Errorf("%s after %v, want %s", c, after, tt.want)
				}
			}
		})
	}
}
