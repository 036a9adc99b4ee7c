package trace

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"busbar.example/app/site"
	"busbar.example/mms"
	"busbar.example/scsm/iso81"
	"busbar.example/secure/rbac"
)

// MMSHooks are what a site's MMSParty has to be given to be traced.
func (t *Tracer) MMSHooks() *iso81.Trace {
	return &iso81.Trace{Connected: t.tcpUp, TLS: t.directTLSUp, Transport: t.transportUp, Session: t.sessionUp, Presentation: t.presentationUp,
		ACSE: t.acseUp, Established: t.directEstablished, Carried: t.directCarried, Ended: t.directEnded}
}

func (t *Tracer) tcpUp(local, remote string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.TCP = t.step()
	t.tell(&event{Event: connectedEvent, Local: local, Remote: remote, Took: t.sum.TCP})
}

func (t *Tracer) directTLSUp(cs tls.ConnectionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.TLS = t.step()
	t.tell(&event{Event: tlsEvent, Took: t.sum.TLS, TLS: handshake(cs)})
}

// layerUp tells of a layer that the IED has agreed to.
func (t *Tracer) layerUp(layer iso81.Layer, text string, details ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(&event{Event: layerEvent, Layer: layer.String(), Direction: received, Text: text, Details: details})
}

func (t *Tracer) transportUp(i iso81.TransportInfo) {
	t.layerUp(iso81.LayerCOTP, fmt.Sprintf("class 0, TPDUs of %d octets", i.Agreed), selectors("T", i.Calling, i.Called),
		fmt.Sprintf("references %d and %d", i.Local, i.Remote))
}

func (t *Tracer) sessionUp(i iso81.SessionInfo) {
	t.layerUp(iso81.LayerSession, fmt.Sprintf("version %d, functional units %#x", i.Version, i.Units), "responding selector "+selectorText(i.Called))
}

func (t *Tracer) presentationUp(i iso81.PresentationInfo) {
	accepted := 0
	var refused []string
	for _, c := range i.Contexts {
		if c.Accepted {
			accepted++
		} else {
			refused = append(refused, c.Abstract)
		}
	}
	text := fmt.Sprintf("%d of %d contexts accepted", accepted, len(i.Contexts))
	if refused != nil {
		text += ", not " + strings.Join(refused, ", ")
	}
	t.layerUp(iso81.LayerPresentation, text, "responding selector "+selectorText(i.Called))
}

func (t *Tracer) acseUp(i iso81.ACSEInfo) {
	text := i.Result
	if text == "" {
		text = "asked"
	}
	var details []string
	for _, d := range []struct{ name, value string }{{"responding AP title", i.CalledAPTitle}, {"AE qualifier", i.CalledAEQualifier},
		{"mechanism", i.Mechanism}, {"application context", i.ApplicationContext}} {
		if d.value != "" {
			details = append(details, d.name+" "+d.value)
		}
	}
	t.layerUp(iso81.LayerACSE, text, details...)
}

func selectors(layer string, calling, called []byte) string {
	return fmt.Sprintf("%s-selectors %s, called %s", layer, selectorText(calling), selectorText(called))
}

func selectorText(s []byte) string {
	if s == nil {
		return "none"
	}
	return hex.EncodeToString(s)
}

func (t *Tracer) directEstablished(peer rbac.Subject) {
	t.mu.Lock()
	defer t.mu.Unlock()
	how := "with TLS"
	if peer.Unauthenticated {
		how = "NOT PROTECTED"
	}
	t.tell(&event{Event: establishedEvent, Text: "associated", Details: []string{how}})
}

// packetHead is what TPKT and the DT TPDU put before their part of a TSDU, in octets.
const packetHead = 4 + 3

func (t *Tracer) directCarried(c iso81.Carried) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: pduEvent, Direction: received, SPDU: c.SPDU, Octets: &octets{MMS: len(c.BER), TSDU: c.TSDU, Packets: c.Packets}}
	sums := &t.sum.Recv
	if c.Sent {
		e.Direction, sums = sent, &t.sum.Sent
	}
	if c.PDU != nil {
		xml, err := mms.AppendXER(nil, c.PDU)
		if err != nil {
			xml = nil // it came in BER, and XER has no form for it
		}
		e.PDU = t.meaning(e, "", c.Sent, c.PDU, elementName(xml))
		if t.raw {
			e.PDUXML, e.BER = string(xml), hex.EncodeToString(c.BER)
		}
		if e.PDU.Failed {
			t.sum.Refused++
		}
		t.sum.PDUs++
		sums.PDUs++
	}
	sums.MMS += len(c.BER)
	sums.TSDU += c.TSDU
	sums.TPKT += c.TSDU + c.Packets*packetHead
	if c.Err != nil && c.Err != io.EOF { // which an orderly end is
		e.Error = &failure{Text: c.Err.Error()}
	}
	t.tell(e)
}

func (t *Tracer) directEnded(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: endedEvent}
	if cause != nil && cause != io.EOF {
		t.ended = cause.Error()
		e.Error = &failure{Text: t.ended, Hint: site.HintFor(cause)}
	}
	t.tell(e)
}

// directPhase is the heading that an event over TCP stands under.
func directPhase(e *event, last string) string {
	name := ""
	if e.PDU != nil {
		name = e.PDU.Name
	}
	switch {
	case e.Event == connectedEvent, e.Event == layerEvent && e.Layer == iso81.LayerCOTP.String():
		return "Connection (RFC 1006)"
	case name == "initiate-RequestPDU", e.Event == layerEvent:
		return "Association (session, presentation, ACSE, MMS)"
	case strings.HasPrefix(name, "confirmed-"):
		return "Services (ACSI in MMS)"
	case name == "conclude-RequestPDU":
		return "Release"
	}
	return last
}

// layer draws what an IED has agreed to.
func (c *chart) layer(r *row, e *event) {
	r.from, r.to, r.text, r.details = ied, client, e.Layer+": "+e.Text, e.Details
	if e.Layer == iso81.LayerCOTP.String() {
		r.both = true
	}
}

// directTLS draws TLS of MMS over TCP.
func (c *chart) directTLS(r *row, e *event) {
	r.from, r.to, r.both = client, ied, true
	r.text = strings.TrimSpace("TLS " + strings.TrimPrefix(e.TLS.Version, "TLS "))
	r.details = append(r.details, e.Took.String())
	r.lines = certificateLines("IED", e.TLS.Server)
}

// directSummary prints the octets of each layer over TCP.
func (c *chart) directSummary(b *strings.Builder, lead string, s *summary) {
	fmt.Fprintf(b, "%s%-9s%6s%10s%10s%10s\n", lead, "octets", "PDUs", "MMS", "TSDU", "TPKT")
	for _, d := range []struct {
		name string
		sums
	}{{"sent", s.Sent}, {"received", s.Recv}} {
		fmt.Fprintf(b, "%s%-9s%6s%10s%10s%10s\n", lead, d.name, grouped(d.PDUs), grouped(d.MMS), grouped(d.TSDU), grouped(d.TPKT))
	}
}
