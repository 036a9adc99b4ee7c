//go:build interop

package interop_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/foreign"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// TestForeignServersResume lets two clients of ours talk through a server of another make while their connections break:
// nothing is lost or doubled. Nor is it out of order, but that ejabberd 23.01 may send what has come meanwhile before what it sends
// again: E2E notices that, and ends the association. Prosody 0.12 goes on with a stanza that was cut in the middle as if what comes over
// the new connection belonged to it, so there each link is cut while nothing is on its way to the server.
//
// XEP-0198, Section 5.
func TestForeignServersResume(t *testing.T) {
	eachForeign(t, nil, func(t *testing.T, a *authority, s *foreign.Server) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		names := []string{"ems@" + domain + "/IEC-1", "pv1@" + domain + "/IEC"}
		var sessions [2]*xmpp.Session
		var links [2]link
		var resumed [2]int
		const n = 200
		var mu sync.Mutex
		var got [2][]string
		all := make(chan struct{}, 2)
		for i, name := range names {
			j := jid.MustParse(name)
			sessions[i] = dialForeign(t, ctx, s, xmpp.Config{
				JID: j, Identity: a.client(j.Bare().String()), Trust: a.trust,
				Dialer: func(ctx context.Context) (net.Conn, error) { return links[i].dial(ctx, s.Clients) },
				Trace: &xmpp.Trace{Resumed: func(jid.JID, int) {
					mu.Lock()
					defer mu.Unlock()
					resumed[i]++
				}},
				Handler: func(st stanza.Stanza) {
					if st.Kind != stanza.Message {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if got[i] = append(got[i], st.ID+" "+string(st.Type)); len(got[i]) == n {
						all <- struct{}{}
					}
				},
			})
		}
		var sending sync.WaitGroup
		for i := range names {
			sending.Go(func() {
				for k := range n {
					m := stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, ID: fmt.Sprint(k), To: sessions[1-i].JID(), Payload: []byte("<body>" + strings.Repeat("x", 100*k) + "</body>")}
					if err := sessions[i].Send(ctx, m); err != nil {
						t.Errorf("%s sends message %d: %v", names[i], k, err)
						return
					}
					if k%50 == 25 {
						if s.Make == "prosody" {
							if _, err := sessions[i].Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse(domain), Payload: []byte("<ping xmlns='urn:xmpp:ping'/>")}); err != nil {
								t.Error(err)
							}
							links[i].cut()
						} else {
							links[(i+k/50)%2].cut()
						}
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
		sending.Wait()
		for range names {
			select {
			case <-all:
			case <-ctx.Done():
			}
		}
		time.Sleep(200 * time.Millisecond) // for what might come twice
		mu.Lock()
		defer mu.Unlock()
		var want []string
		for k := range n {
			want = append(want, fmt.Sprint(k, " normal"))
		}
		for i := range names {
			if s.Make == "ejabberd" {
				slices.SortFunc(got[i], func(a, b string) int { return number(a) - number(b) })
			}
			if diff := cmp.Diff(want, got[i]); diff != "" {
				t.Errorf("messages to %s (-want +got)\n%s", names[i], diff)
			}
			if resumed[i] == 0 {
				t.Errorf("%s never resumed", names[i])
			}
		}
	})
}

// number is that with which a message begins.
func number(message string) int {
	id, _, _ := strings.Cut(message, " ")
	n, _ := strconv.Atoi(id)
	return n
}

// link is a connection that can be cut.
type link struct {
	mu sync.Mutex
	nc net.Conn
}

func (l *link) dial(ctx context.Context, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nc = nc
	return nc, err
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nc.Close()
}
