package site

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"os"
	"runtime/debug"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/xmppd"
)

// BrokerStatus is how a running broker is, as /status says it in JSON. Times are UTC, sizes are in octets.
type BrokerStatus struct {
	Domain  string    `json:"domain"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	State   string    `json:"state"` // starting, serving or draining
	Began   time.Time `json:"began"`
	Now     time.Time `json:"now"`

	Listeners   []Listening     `json:"listeners"`
	Certificate CertificateInfo `json:"certificate"` // the broker's own
	Terms       []TermStatus    `json:"terms"`
	Reload      ReloadStatus    `json:"reload"`
	AuditLost   uint64          `json:"audit_lost"` // events that could not be recorded
	Limits      LimitStatus     `json:"limits"`
	Totals      Totals          `json:"totals"`
	Sessions    []SessionStatus `json:"sessions"`
	Peers       []PeerStatus    `json:"peers"`
}

// Listening is an address that the broker listens on.
type Listening struct {
	Purpose string `json:"purpose"` // clients, servers, metrics or status
	Address string `json:"address"`
}

// CertificateInfo names a certificate, and says until when it is valid.
type CertificateInfo struct {
	Name     string    `json:"name"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
}

// TermStatus is until when something holds that somebody has to renew.
type TermStatus struct {
	What  string    `json:"what"`
	Until time.Time `json:"until"`
	Stage string    `json:"stage"` // good, or what is to be done
}

// ReloadStatus is what came of reading busbar.yaml and the other files again.
type ReloadStatus struct {
	Applied uint64     `json:"applied"` // how often
	Refused uint64     `json:"refused"`
	Last    *time.Time `json:"last,omitempty"`
	Error   string     `json:"error,omitempty"` // of the last; the settings of before stay
	Hint    string     `json:"hint,omitempty"`
	AtStart []string   `json:"at_start,omitempty"` // fields whose change counts from the next start on
}

// LimitStatus is what clients may cost.
type LimitStatus struct {
	Connections               int    `json:"connections"`
	ConnectionsPerAddress     int    `json:"connections_per_address"`
	UnauthenticatedPerAddress int    `json:"unauthenticated_per_address"`
	Resources                 int    `json:"resources"`
	Rate                      int    `json:"rate"`    // -1: no bound
	Stanzas                   int    `json:"stanzas"` // -1: no bound
	Queue                     int    `json:"queue"`
	QueueShare                int    `json:"queue_share"`
	StanzaSize                int    `json:"stanza_size"`
	SlowReaders               string `json:"slow_readers"`
	MaxAge                    string `json:"max_age"`
	Rules                     int    `json:"rules"` // how many
}

// Totals are the numbers of all together.
type Totals struct {
	Accounts     int               `json:"accounts"` // that have logged in since the broker began
	Connections  int               `json:"connections"`
	Negotiating  int               `json:"negotiating"`
	TurnedAway   uint64            `json:"turned_away"`
	Detached     int               `json:"detached"` // sessions whose connection has broken, and that may be resumed
	Resumed      uint64            `json:"resumed"`
	Queued       int               `json:"queued"`
	FullestQueue int               `json:"fullest_queue"`
	Received     uint64            `json:"received"` // stanzas
	Delivered    uint64            `json:"delivered"`
	Refused      map[string]uint64 `json:"refused"` // by the condition of the answer
	Denied       uint64            `json:"denied"`
	Dropped      uint64            `json:"dropped"`
	SlowCut      uint64            `json:"slow_cut"`
}

// SessionStatus is one session.
type SessionStatus struct {
	JID       string       `json:"jid"`
	Available bool         `json:"available"`
	Detached  bool         `json:"detached"` // its connection has broken, and it may be resumed
	Since     time.Time    `json:"since"`
	Address   string       `json:"address"`
	Queued    int          `json:"queued"`
	Stream    StreamStatus `json:"stream"`
}

// StreamStatus is how a stream is secured.
type StreamStatus struct {
	TLS         string           `json:"tls"`
	Suite       string           `json:"suite"`
	Mechanism   string           `json:"mechanism"`
	Certificate *CertificateInfo `json:"certificate,omitempty"` // of the other end
}

// PeerStatus is how it stands with another domain.
type PeerStatus struct {
	Domain   string         `json:"domain"`
	State    string         `json:"state"` // of the stream to there
	Since    *time.Time     `json:"since,omitempty"`
	Retry    *time.Time     `json:"retry,omitempty"`
	Error    string         `json:"error,omitempty"`
	Queued   int            `json:"queued"`
	Sent     uint64         `json:"sent"` // stanzas
	Received uint64         `json:"received"`
	Outgoing *StreamStatus  `json:"outgoing,omitempty"`
	Incoming []StreamStatus `json:"incoming,omitempty"`
}

// status is how the broker is at the moment.
func (b *runningBroker) status() BrokerStatus {
	b.mu.Lock()
	site, r, state, id, listeners := b.site, b.reloads, b.state, b.identity, b.listening
	b.mu.Unlock()
	numbers := b.server.Stats()
	st := BrokerStatus{
		Domain: site.Domain, Version: version(), PID: os.Getpid(), State: state, Began: numbers.Began.UTC(), Now: time.Now().UTC(),
		Listeners: listeners, Certificate: *certificateInfo(id.Chain[0]), Reload: r.status(), Limits: b.limits(numbers), Totals: totals(numbers),
		Terms: []TermStatus{}, Sessions: []SessionStatus{}, Peers: []PeerStatus{},
	}
	if b.o.AuditLost != nil {
		st.AuditLost = b.o.AuditLost()
	}
	for _, t := range b.terms() {
		if !t.To.IsZero() {
			st.Terms = append(st.Terms, TermStatus{t.What, t.To.UTC(), t.Stage(st.Now).String()})
		}
	}
	for _, ses := range b.server.Sessions() {
		st.Sessions = append(st.Sessions, SessionStatus{JID: ses.JID.String(), Available: ses.Available, Detached: ses.Detached, Since: ses.Since.UTC(),
			Address: ses.Address, Queued: ses.Queued, Stream: streamStatus(ses.Stream)})
	}
	for _, p := range b.server.Peers() {
		st.Peers = append(st.Peers, peerStatus(p))
	}
	return st
}

func (r reloads) status() ReloadStatus {
	st := ReloadStatus{Applied: r.applied, Refused: r.refused, Last: instant(r.last), AtStart: r.atStart}
	if r.err != nil {
		st.Error, st.Hint = r.err.Error(), HintFor(r.err)
	}
	return st
}

// limits are those in force.
func (b *runningBroker) limits(numbers xmppd.Stats) LimitStatus {
	l := b.server.Live()
	st := LimitStatus{
		Connections: l.Limits.Connections, ConnectionsPerAddress: l.Limits.ConnectionsPerAddress, UnauthenticatedPerAddress: l.Limits.UnauthenticatedPerAddress,
		Resources: l.Limits.ResourcesPerAccount, Rate: max(l.Limits.Rate, -1), Stanzas: cmp.Or(max(l.Limits.Stanzas, -1), -1), Queue: numbers.QueueCapacity,
		QueueShare: l.Limits.QueueShare, StanzaSize: cmp.Or(l.Stream.Authenticated, 256<<10), SlowReaders: "cut", MaxAge: l.MaxAge.String(), Rules: len(l.Rules),
	}
	if l.SlowReaders == xmppd.DropForSlowReaders {
		st.SlowReaders = "drop"
	}
	return st
}

func totals(n xmppd.Stats) Totals {
	t := Totals{
		Accounts: n.Accounts, Connections: n.Connections, Negotiating: n.Negotiating, TurnedAway: n.TurnedAway, Detached: n.Detached, Resumed: n.Resumed, Queued: n.QueuedOctets,
		FullestQueue: n.FullestQueue, Received: sum(n.Received), Delivered: sum(n.Delivered), Refused: map[string]uint64{},
		Denied: n.Denied, Dropped: n.Dropped, SlowCut: n.SlowCut,
	}
	for condition, count := range n.Refused {
		t.Refused[string(condition)] = count
	}
	return t
}

func sum(c xmppd.StanzaCounts) uint64 { return c.IQ + c.Message + c.Presence }

func streamStatus(i xmpp.Info) StreamStatus {
	st := StreamStatus{TLS: tls.VersionName(i.TLS.Version), Suite: tls.CipherSuiteName(i.TLS.CipherSuite), Mechanism: i.Mechanism}
	if i.Peer != nil {
		st.Certificate = certificateInfo(i.Peer.Leaf())
	}
	return st
}

func peerStatus(p xmppd.PeerInfo) PeerStatus {
	st := PeerStatus{Domain: p.Domain, State: p.State, Since: instant(p.Since), Retry: instant(p.Retry), Queued: p.Queued,
		Sent: sum(p.Sent), Received: sum(p.Received)}
	if p.Failed != nil {
		st.Error = p.Failed.Error()
	}
	if p.Stream != nil {
		out := streamStatus(*p.Stream)
		st.Outgoing = &out
	}
	for _, in := range p.Incoming {
		st.Incoming = append(st.Incoming, streamStatus(in))
	}
	return st
}

func certificateInfo(c *x509.Certificate) *CertificateInfo {
	return &CertificateInfo{Name: CertificateName(c), Issuer: c.Issuer.CommonName, NotAfter: c.NotAfter.UTC()}
}

// instant is t in JSON, or nothing.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// version is that of this program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
