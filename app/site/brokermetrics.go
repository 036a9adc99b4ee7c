package site

import (
	"crypto/tls"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/xmppd"
)

// countingSink counts the events that it hands on.
type countingSink struct {
	audit.Sink
	mu     sync.Mutex
	counts map[audit.ID]uint64
}

func (c *countingSink) Record(e audit.Event) {
	c.mu.Lock()
	if c.counts == nil {
		c.counts = map[audit.ID]uint64{}
	}
	c.counts[e.ID]++
	c.mu.Unlock()
	c.Sink.Record(e)
}

func (c *countingSink) events() map[audit.ID]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// metricsOf is a registry with the numbers of a broker, and of the process that it runs in.
func metricsOf(b *runningBroker) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(&brokerCollector{b}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// brokerCollector reads the broker's numbers when they are asked for.
type brokerCollector struct{ b *runningBroker }

// metric is the description of a family of numbers.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("busbar_"+name, help, labels, nil)
}

var (
	metricInfo        = metric("broker_info", "The broker's version and domain; the value is 1.", "version", "domain")
	metricBegan       = metric("broker_start_time_seconds", "When the broker was started, in seconds since 1970.")
	metricReady       = metric("broker_ready", "Whether the broker takes clients: 1 or 0.")
	metricSessions    = metric("broker_sessions", "Sessions at the moment, by TLS version and mechanism of SASL.", "tls_version", "mechanism")
	metricAccounts    = metric("broker_accounts", "Accounts that have logged in since the broker was started.")
	metricConnections = metric("broker_connections", "Connections of clients at the moment.")
	metricNegotiating = metric("broker_connections_negotiating", "Connections at the moment whose clients have not logged in yet.")
	metricMost        = metric("broker_connections_max", "How many connections there may be.")
	metricConnected   = metric("broker_connections_total", "Connections so far, by whether they were taken or refused for a limit.", "result")
	metricStreams     = metric("broker_streams_total", "Streams of clients so far that were set up.")
	metricFailed      = metric("broker_streams_failed_total", "Streams of clients so far that could not be set up, by the step that failed.", "step")
	metricDetached    = metric("broker_sessions_detached", "Sessions at the moment whose connection has broken, and that may be resumed.")
	metricResumed     = metric("broker_sessions_resumed_total", "Sessions that were taken up again over another connection.")
	metricReceived    = metric("broker_stanzas_received_total", "Stanzas from clients.", "kind")
	metricDelivered   = metric("broker_stanzas_delivered_total", "Stanzas to clients, those of the broker's own among them.", "kind")
	metricIn          = metric("broker_received_bytes_total", "Octets from clients that have logged in, within TLS.")
	metricOut         = metric("broker_delivered_bytes_total", "Octets of stanzas to clients, within TLS.")
	metricRefused     = metric("broker_stanzas_refused_total", "Stanzas of clients that were answered with an error, by its condition.", "condition")
	metricDenied      = metric("broker_stanzas_denied_total", "Stanzas of clients that a rule did not let pass.")
	metricDropped     = metric("broker_stanzas_dropped_total", "Stanzas that could not be refused and were thrown away because a queue was full.")
	metricSlow        = metric("broker_slow_readers_cut_total", "Streams that ended because their client read too slowly.")
	metricHeld        = metric("broker_held_seconds_total", "For how long clients were held up because they sent more than they may, all together.")
	metricQueued      = metric("broker_queue_bytes", "Octets that wait to be sent to clients, all queues together.")
	metricFullest     = metric("broker_queue_fullest_bytes", "Octets in the fullest of these queues.")
	metricQueueMost   = metric("broker_queue_max_bytes", "Octets that one queue may hold.")
	metricExpiry      = metric("broker_expiry_timestamp_seconds", "Until when something holds that has to be renewed (the broker's certificate, trust anchors, revocation lists), in seconds since 1970.", "what")
	metricFirstExpiry = metric("broker_client_certificate_expiry_timestamp_seconds", "Until when the certificate is valid that expires first of those that clients have shown, in seconds since 1970; absent without one.")
	metricReloads     = metric("broker_reloads_total", "How often busbar.yaml and the other files were read again, by what came of it.", "result")
	metricReloadTime  = metric("broker_last_reload_timestamp_seconds", "When they were read again last, in seconds since 1970; absent before that.")
	metricReloadGood  = metric("broker_last_reload_successful", "Whether what was read again last is in force: 1 or 0.")
	metricPeer        = metric("broker_peer_connected", "Whether there is a stream to another domain: 1 or 0.", "peer")
	metricPeerQueued  = metric("broker_peer_queue_bytes", "Octets that wait to be sent to another domain.", "peer")
	metricPeerStanzas = metric("broker_peer_stanzas_total", "Stanzas to another domain (sent) and from there (received).", "peer", "direction")
	metricAudit       = metric("audit_events_total", "Security events so far, by their id and severity.", "id", "severity")
	metricAuditLost   = metric("audit_events_lost_total", "Security events that could not be recorded.")
)

// Describe sends nothing: which labels there are is known only when it is asked for.
func (*brokerCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the numbers of this moment.
func (c *brokerCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	b := c.b
	b.mu.Lock()
	state, r := b.state, b.reloads
	b.mu.Unlock()
	n := b.server.Stats()
	gauge(metricInfo, 1, version(), b.current().Domain)
	gauge(metricBegan, seconds(n.Began))
	gauge(metricReady, truth(state == stateServing))
	gauge(metricAccounts, float64(n.Accounts))
	gauge(metricConnections, float64(n.Connections))
	gauge(metricNegotiating, float64(n.Negotiating))
	gauge(metricMost, float64(b.server.Live().Limits.Connections))
	count(metricConnected, float64(n.Connected), "taken")
	count(metricConnected, float64(n.TurnedAway), "refused")
	count(metricStreams, float64(n.Bound))
	gauge(metricDetached, float64(n.Detached))
	count(metricResumed, float64(n.Resumed))
	for step, v := range n.NotBound {
		count(metricFailed, float64(v), string(step))
	}
	for d, k := range map[*prometheus.Desc]xmppd.StanzaCounts{metricReceived: n.Received, metricDelivered: n.Delivered} {
		count(d, float64(k.IQ), "iq")
		count(d, float64(k.Message), "message")
		count(d, float64(k.Presence), "presence")
	}
	count(metricIn, float64(n.Received.Octets))
	count(metricOut, float64(n.Delivered.Octets))
	for condition, v := range n.Refused {
		count(metricRefused, float64(v), string(condition))
	}
	count(metricDenied, float64(n.Denied))
	count(metricDropped, float64(n.Dropped))
	count(metricSlow, float64(n.SlowCut))
	count(metricHeld, n.Held.Seconds())
	gauge(metricQueued, float64(n.QueuedOctets))
	gauge(metricFullest, float64(n.FullestQueue))
	gauge(metricQueueMost, float64(n.QueueCapacity))
	for what, end := range b.ends() {
		gauge(metricExpiry, seconds(end), what)
	}
	count(metricReloads, float64(r.applied), "applied")
	count(metricReloads, float64(r.refused), "refused")
	if !r.last.IsZero() {
		gauge(metricReloadTime, seconds(r.last))
		gauge(metricReloadGood, truth(r.err == nil))
	}
	for id, v := range b.events.events() {
		count(metricAudit, float64(v), string(id), id.Severity().String())
	}
	if b.o.AuditLost != nil {
		count(metricAuditLost, float64(b.o.AuditLost()))
	}
	b.collectSessions(gauge)
	b.collectPeers(gauge, count)
}

// collectSessions sends the numbers of sessions.
func (b *runningBroker) collectSessions(gauge func(*prometheus.Desc, float64, ...string)) {
	var first time.Time
	by := map[[2]string]int{}
	for _, ses := range b.server.Sessions() {
		by[[2]string{tls.VersionName(ses.Stream.TLS.Version), ses.Stream.Mechanism}]++
		if ses.Stream.Peer == nil {
			continue
		}
		if end := ses.Stream.Peer.Leaf().NotAfter; first.IsZero() || end.Before(first) {
			first = end
		}
	}
	for _, labels := range slices.SortedFunc(maps.Keys(by), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		gauge(metricSessions, float64(by[labels]), labels[:]...)
	}
	if !first.IsZero() {
		gauge(metricFirstExpiry, seconds(first))
	}
}

// ends is until when what has to be renewed holds. Of what has the same name, the end of the first counts.
func (b *runningBroker) ends() map[string]time.Time {
	ends := map[string]time.Time{}
	for _, t := range b.terms() {
		if end, known := ends[t.What]; !t.To.IsZero() && (!known || t.To.Before(end)) {
			ends[t.What] = t.To
		}
	}
	return ends
}

// collectPeers sends the numbers of other domains.
func (b *runningBroker) collectPeers(gauge, count func(*prometheus.Desc, float64, ...string)) {
	for _, p := range b.server.Peers() {
		gauge(metricPeer, truth(p.Stream != nil), p.Domain)
		gauge(metricPeerQueued, float64(p.Queued), p.Domain)
		count(metricPeerStanzas, float64(sum(p.Sent)), p.Domain, "sent")
		count(metricPeerStanzas, float64(sum(p.Received)), p.Domain, "received")
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
