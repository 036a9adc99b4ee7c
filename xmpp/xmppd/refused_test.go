package xmppd_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// stage is how far a peer has come before it sends something.
type stage string

// The stages of a stream.
const (
	inClear       stage = "in clear"
	secured       stage = "behind TLS"
	authenticated stage = "authenticated"
	bound         stage = "bound"
)

var stages = []stage{inClear, secured, authenticated, bound}

// reach takes a connection to a stage and returns what was heard of the stream's end after octets were sent there.
func (s *site) reach(id *pki.Identity, to stage, octets string) (string, error) {
	nc, err := s.net.dial("192.0.2.66:40000")
	if err != nil {
		return "", err
	}
	c := &rawClient{raw: nc, conn: nc}
	switch to {
	case inClear:
		_, err = c.header()
	case secured:
		c, _, err = s.open(nc, id)
	case authenticated:
		if c, _, err = s.open(nc, id); err == nil {
			_, err = c.authenticate()
		}
	case bound:
		if c, _, err = s.open(nc, id); err == nil {
			_, err = c.login("", "1")
		}
	}
	defer nc.Close()
	if err == nil {
		err = c.send(octets)
	}
	if err != nil {
		return "", err
	}
	heard := ""
	for {
		el, err := c.element()
		if heard += el; err == io.EOF {
			return heard, nil
		} else if err != nil {
			return heard, err
		}
	}
}

// authenticate logs in as the certificate says, and returns with the features that are offered then.
func (c *rawClient) authenticate() (features string, err error) {
	if err := c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`); err != nil {
		return "", err
	}
	if _, err := c.element(); err != nil {
		return "", err
	}
	return c.header()
}

// checkTrespass sends octets at every stage, and checks that the stream ends, uniformly, with that event, or with none.
func checkTrespass(t *testing.T, octets string, want audit.ID) {
	for _, at := range stages {
		t.Run(string(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				defer s.close()
				victim := s.connect("pv1@dso.example", "IEC")
				heard, err := s.reach(s.clientIdentity("mallory@dso.example"), at, octets)
				synctest.Wait()
				if want := "<stream:error><unsupported-stanza-type "; err != nil || !strings.HasPrefix(heard, want) {
					t.Errorf("%s was answered %q, %v, want %s", octets, heard, err, want)
				}
				if got := victim.take(); len(got) != 0 {
					t.Errorf("%s made %q arrive elsewhere", octets, got)
				}
				var events []audit.ID
				if want != "" {
					events = []audit.ID{want}
				}
				if diff := cmp.Diff(events, s.eventIDs()); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestX2CompressionIsRefused asks for stream compression, by which a few octets could become many. The class of xmppbomb;
// XEP-0138.
func TestX2CompressionIsRefused(t *testing.T) {
	checkTrespass(t, `<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>`, "")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		defer s.close()
		nc, err := s.net.dial("192.0.2.2:40000")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c, before, err := s.open(nc, s.clientIdentity("hmi@dso.example"))
		if err != nil {
			t.Fatal(err)
		}
		after, err := c.authenticate()
		if err != nil || strings.Contains(before+after, "compress") {
			t.Errorf("features %s and %s, %v, want none of compression", before, after, err)
		}
	})
}

// TestM10ServerToServer speaks as another domain's server would. There are no streams between servers here, so each way of
// claiming a domain must come to nothing: dialback, a server's certificate, a sender's address. XEP-0220; the class of the
// dialback spoofing of 2012.
func TestM10ServerToServer(t *testing.T) {
	const ns = ` xmlns:db='jabber:server:dialback' from='evil.example' to='dso.example'`
	for name, octets := range map[string]string{
		"unasked key":     `<db:result` + ns + `>98f1</db:result>`,
		"unasked verdict": `<db:result` + ns + ` type='valid'/>`,
		"verification":    `<db:verify` + ns + ` id='s' type='valid'/>`,
	} {
		t.Run(name, func(t *testing.T) { checkTrespass(t, octets, audit.ServerToServerRefused) })
	}
	t.Run("another server's certificate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			defer s.close()
			id, err := s.ca.IssueServer("evil.example")
			if err != nil {
				t.Fatal(err)
			}
			nc, err := s.net.dial("192.0.2.66:40000")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c, _, err := s.open(nc, id)
			if err != nil {
				t.Fatal(err)
			}
			if full, err := c.login("evil.example", ""); err == nil || !strings.Contains(err.Error(), "<not-authorized/>") {
				t.Errorf("login gave %q, %v, want not-authorized", full, err)
			}
			if diff := cmp.Diff([]audit.ID{audit.ClientCertificate}, s.eventIDs()); diff != "" {
				t.Errorf("events (-want +got)\n%s", diff)
			}
		})
	})
	t.Run("a sender of another domain", func(t *testing.T) {
		playAttacks(t, []attack{
			{"message", `<message from='ems@evil.example/1'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
			{"the domain itself", `<iq type='result' id='1' from='evil.example'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
			{"a server's stanza", `<message xmlns='jabber:server' from='evil.example'` + to + `/>`, "invalid-namespace", ""},
		})
	})
}
