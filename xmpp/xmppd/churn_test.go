package xmppd_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"busbar.example/secure/pki"
)

// TestChurn lets clients talk to each other while others come and go, and checks that every request gets its answer.
func TestChurn(t *testing.T) {
	s := newSite(t, nil)
	const talkers, comers, requests = 6, 3, 50
	ids := make([]*pki.Identity, talkers+comers)
	for i := range ids {
		ids[i] = s.clientIdentity(fmt.Sprintf("c%d@dso.example", i))
	}
	var answered, talking, coming sync.WaitGroup
	answered.Add(talkers)
	clients := make([]*rawClient, talkers)
	for i := range clients {
		clients[i] = s.silent(fmt.Sprintf("c%d@dso.example", i), "IEC")
	}
	for i, c := range clients {
		talking.Go(func() {
			if err := c.answer(requests, answered.Done); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
		talking.Go(func() {
			c.send("<presence/>")
			for n := range requests {
				c.send(fmt.Sprintf("<iq type='get' id='%d' to='c%d@dso.example/IEC'><q xmlns='urn:x'/></iq>", n, n%talkers))
			}
		})
	}
	for i := range comers {
		coming.Go(func() {
			for range 5 {
				nc, err := s.net.dial("192.0.2.5:1")
				if err != nil {
					t.Error(err)
					return
				}
				if c, _, err := s.open(nc, ids[talkers+i%2]); err != nil { // two of them are the same account
					t.Error(err)
				} else if _, err := c.login("", "IEC"); err == nil {
					c.listen()
					c.send("<presence/><iq type='get' id='x' to='c0@dso.example/IEC'><q xmlns='urn:x'/></iq>")
					nc.Close()
					<-c.done
				}
				nc.Close()
			}
		})
	}
	answered.Wait()
	coming.Wait()
	for _, c := range clients {
		c.raw.Close()
	}
	talking.Wait()
	s.close()
	if got := s.server.Sessions(); len(got) != 0 {
		t.Errorf("sessions after Close: %v", got)
	}
}

// answer answers every request, calls done when its own n requests have been answered too, once each, and goes on until
// the connection ends.
func (c *rawClient) answer(n int, done func()) error {
	replies := make(chan string, 10_000)
	var write sync.WaitGroup
	defer write.Wait()
	defer close(replies)
	write.Go(func() {
		for r := range replies {
			c.send(r)
		}
	})
	seen := map[string]bool{}
	for {
		el, err := c.element()
		if err != nil {
			if len(seen) < n {
				done()
				return fmt.Errorf("%d answers to %d requests: %w", len(seen), n, err)
			}
			return nil
		}
		attr := func(name string) string {
			_, after, _ := strings.Cut(el, " "+name+"='")
			v, _, _ := strings.Cut(after, "'")
			return v
		}
		switch {
		case !strings.HasPrefix(el, "<iq "):
		case attr("type") == "get":
			replies <- fmt.Sprintf("<iq type='result' id='%s' to='%s'/>", attr("id"), attr("from"))
		case seen[attr("id")]:
			return fmt.Errorf("request %s was answered twice", attr("id"))
		default:
			if seen[attr("id")] = true; len(seen) == n {
				done()
			}
		}
	}
}
