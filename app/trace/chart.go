package trace

import (
	"fmt"
	"io"
	"strings"
	"time"

	"busbar.example/xmpp"
)

// chart prints events as a sequence chart. Time runs downwards; each of the three who take part has a lane.
type chart struct {
	lanes
	out   io.Writer
	phase string
}

// The lanes.
const client, broker, ied = 0, 1, 2

// expiryWarning is how long before its end a certificate is marked.
const expiryWarning = 30 // days

func newChart(out io.Writer, o Options) *chart {
	return &chart{out: out, lanes: newLanes(o)}
}

// A row is a step in the chart: an arrow, words about it, and what else there is to say below.
type row struct {
	at       millis
	from, to int  // lanes; the same where nothing travels
	both     bool // it is agreed in both directions
	bad      bool
	text     string
	details  []string // share lines where there is room
	lines    []string // have a line each
	xml      []block
}

// A block is XML under a heading.
type block struct{ title, xml string }

// event prints e. What a peer has put into it is made fit to print where lines are made.
func (c *chart) event(e *event) {
	switch e.Event {
	case beginEvent:
		c.begin(e)
	case summaryEvent:
		c.summary(e.Summary)
	case resultEvent:
	default:
		c.enter(e)
		c.print(c.row(e))
	}
}

// enter prints a heading where another phase begins.
func (c *chart) enter(e *event) {
	phase := c.phase
	switch {
	case c.direct:
		phase = directPhase(e, phase)
	case e.Event == connectingEvent:
		phase = "Hop by hop (E2M): client and broker"
	case e.Event == pduEvent && e.PDU != nil && e.PDU.Name == "initiate-RequestPDU":
		phase = "End to end (E2E): client and IED"
	case e.Event == pduEvent && e.PDU != nil && strings.HasPrefix(e.PDU.Name, "confirmed-"):
		phase = "Services (ACSI in MMS)"
	case e.Event == pduEvent && e.PDU != nil && e.PDU.Name == "conclude-RequestPDU":
		phase = "Release"
	}
	if phase != c.phase {
		c.phase = phase
		c.heading(phase)
	}
}

func (c *chart) row(e *event) row {
	r := row{at: e.At}
	switch e.Event {
	case connectingEvent:
		r.from, r.to, r.text = client, broker, "TCP to "+e.Address
	case connectedEvent:
		r.from, r.to, r.text = broker, client, "connected from "+e.Local
		if c.direct {
			r.from, r.to, r.both, r.text = client, ied, true, "TCP to "+e.Remote+" from "+e.Local
		}
		r.details = []string{e.Took.String()}
	case streamEvent:
		r.from, r.to, r.text = broker, client, "stream of "+e.From
	case featuresEvent:
		r.from, r.to = broker, client
		r.text = "offers " + strings.Join(e.Features, ", ")
		if e.Mechanisms != nil {
			r.text += ": " + strings.Join(e.Mechanisms, ", ")
		}
	case tlsEvent:
		c.tls(&r, e)
	case saslEvent:
		r.from, r.to, r.both = client, broker, true
		r.text = "SASL " + e.Mechanism
		if e.Binding != "" {
			r.details = append(r.details, "bound to TLS by "+e.Binding)
		}
		r.details = append(r.details, "as "+e.JID, e.Took.String())
	case boundEvent:
		r.from, r.to, r.text = broker, client, "bound "+e.JID
	case layerEvent:
		c.layer(&r, e)
	case stanzaEvent:
		c.stanza(&r, e)
	case pduEvent:
		c.pdu(&r, e)
	case establishedEvent:
		c.established(&r, e)
	case endedEvent:
		name := strings.TrimSpace("association " + e.AssoID)
		r.from, r.to, r.text = client, client, name+" released"
		if e.Error != nil {
			r.bad, r.text, r.lines = true, name+" ended: "+e.Error.Text, hintLines(e.Error)
		}
	case closedEvent:
		r.from, r.to, r.text = client, broker, "stream closed"
		if e.Error != nil {
			r.bad, r.from, r.to, r.text = true, broker, client, e.Error.Text
		}
	case failedEvent:
		c.failed(&r, e)
	}
	return r
}

func (c *chart) tls(r *row, e *event) {
	r.from, r.to, r.both = client, broker, true
	name := "STARTTLS"
	if e.TLS.Direct {
		name = "TLS before the stream:"
	}
	r.text = strings.TrimSpace(name + " " + e.TLS.Version)
	if e.TLS.Suite != "" {
		r.details = append(r.details, e.TLS.Suite)
	}
	if c.direct {
		c.directTLS(r, e)
		return
	}
	if e.Error != nil {
		r.both, r.bad = false, true
		r.text = strings.TrimSuffix(name, ":") + " fails"
		if e.TLS.Version != "" {
			r.text = strings.TrimSuffix(name, ":") + ", " + e.TLS.Version + ", fails"
		}
	} else {
		r.details = append(r.details, e.Took.String())
	}
	r.lines = append(certificateLines("broker", e.TLS.Server), certificateLines("client", e.TLS.Client)...)
}

// certificateLines say whose a certificate is, of whom, and for how long.
func certificateLines(who string, c *certificate) []string {
	if c == nil {
		return nil
	}
	until := "until " + c.until.Local().Format(time.DateOnly)
	switch {
	case c.DaysLeft < 0:
		until = "EXPIRED " + c.until.Local().Format(time.DateOnly)
	case c.DaysLeft < expiryWarning:
		until += fmt.Sprintf(", ONLY %d DAYS LEFT", c.DaysLeft)
	default:
		until += fmt.Sprintf(", %d days", c.DaysLeft)
	}
	lines := []string{fmt.Sprintf("%s: %s", who, c.Name), "  by " + c.Issuer + ", " + until}
	if len(c.Roles) > 0 {
		lines[0] += ", " + strings.Join(c.Roles, ", ")
	}
	return lines
}

func (c *chart) stanza(r *row, e *event) {
	s := e.Stanza
	r.from, r.to = client, broker
	about := "presence"
	if e.Direction == received {
		r.from, r.to = broker, client
	}
	if s.Kind != "presence" {
		about = strings.TrimSpace(s.Kind + " " + s.Type)
	} else if s.Type != "" {
		about += " " + s.Type
	} else {
		about += " available"
	}
	r.bad = s.Type == "error"
	r.text = strings.TrimSpace(about + " " + s.About)
	switch {
	case e.Direction == sent && s.To != "":
		r.text += " to " + s.To
	case r.bad && s.From != "": // a server may have said it
		r.text += ", in the name of " + s.From
	case e.Direction == received && s.From != "":
		r.text += " of " + s.From
	}
	r.details = []string{grouped(s.Octets) + " octets"}
	if e.XML != "" {
		r.xml = []block{{"stanza", e.XML}}
	}
}

func (c *chart) pdu(r *row, e *event) {
	r.from, r.to = client, ied
	if e.Direction == received {
		r.from, r.to = ied, client
	}
	carrier := e.SPDU
	if e.Stanza != nil {
		carrier = strings.TrimSpace(e.Stanza.Kind + " " + e.Stanza.Type)
	}
	switch {
	case e.Error != nil:
		r.bad, r.text = true, e.Error.Text
	case e.PDU != nil:
		r.bad, r.text = e.PDU.Failed, e.PDU.text
	case c.direct:
		r.text, carrier = e.SPDU, ""
	default:
		r.text = e.SecPDU
	}
	if carrier != "" {
		r.details = append(r.details, carrier)
	}
	if e.SecPDU != "" {
		r.details = append(r.details, e.SecPDU)
	}
	if e.PDU != nil {
		name := strings.TrimSuffix(strings.TrimSuffix(e.PDU.Name, "PDU"), "-") // unconfirmed-PDU
		if e.PDU.InvokeID != nil {
			name += fmt.Sprintf(" %d", *e.PDU.InvokeID)
		}
		r.details = append(r.details, name)
	}
	r.details = append(r.details, c.sizes(e.Octets))
	if e.Took > 0 {
		r.details = append(r.details, "after "+e.Took.String())
	}
	if e.XML != "" {
		title := "stanza, as it is sent"
		if e.Direction == received {
			title = "stanza, as it came"
		}
		r.xml = append(r.xml, block{title, e.XML})
	}
	switch {
	case e.PDUXML != "" && c.direct:
		r.xml = append(r.xml, block{"the PDU, as it would be in XML: it travels in BER", e.PDUXML})
	case e.PDUXML == "" || e.SecPDU == "": // it stands in the stanza as it is
	case e.SecPDU == "EncrTransfer":
		r.xml = append(r.xml, block{"the PDU in it, which only the two ends can read", e.PDUXML})
	default:
		r.xml = append(r.xml, block{"the PDU in it", e.PDUXML})
	}
}

// sizes are the octets from layer to layer, from the inside out.
func (c *chart) sizes(o *octets) string {
	var parts []string
	for _, n := range []int{o.MMS, o.SecPDU, o.Stanza, o.TSDU} {
		if n > 0 {
			parts = append(parts, grouped(n))
		}
	}
	text := strings.Join(parts, c.into) + " octets"
	if o.Packets > 1 {
		text += fmt.Sprintf(" in %d packets", o.Packets)
	}
	return text
}

func (c *chart) established(r *row, e *event) {
	r.from, r.to, r.both = client, ied, true
	if e.E2E == nil {
		r.text, r.details = "associated", e.Details
		return
	}
	r.text = "association " + e.AssoID + ", " + e.E2E.Mode
	if !e.E2E.Protected {
		r.text = "association " + e.AssoID + ", NOT PROTECTED end to end"
		if len(e.E2E.roles) > 0 {
			r.details = []string{"roles of the peer by configuration: " + strings.Join(e.E2E.roles, ", ")}
		}
		return
	}
	r.details = []string{e.E2E.Algorithm, e.E2E.Signature, e.E2E.Group}
	r.lines = append(certificateLines("IED", e.E2E.Server), certificateLines("client", e.E2E.Client)...)
	r.lines = append(r.lines, "keys change after "+short(e.E2E.KeyLife)+", ends by "+e.E2E.until.Local().Format("2006-01-02 15:04"))
}

// short is a duration without what is zero in it.
func short(d string) string {
	d = strings.TrimSuffix(d, "0s")
	if !strings.HasSuffix(d, "m") || strings.HasSuffix(d, "h0m") {
		d = strings.TrimSuffix(d, "0m")
	}
	return d
}

func (c *chart) failed(r *row, e *event) {
	r.bad, r.text = true, e.Error.Text
	switch xmpp.NegotiationStep(e.Error.Step) {
	case "", xmpp.StepTLS: // nobody says it, or it has been drawn
	case xmpp.StepConnect:
		r.from, r.to = client, broker
	default:
		r.from, r.to = broker, client
	}
	r.lines = hintLines(e.Error)
}

func hintLines(f *failure) []string {
	if f.Hint == "" {
		return nil
	}
	return []string{"hint: " + f.Hint}
}
