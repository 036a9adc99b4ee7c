package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"busbar.example/acsi"
	"busbar.example/app/site"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Options says whose way to whom is walked.
type Options struct {
	Party site.Party // whose; its hooks are the doctor's own
	To    string     // JID of the IED; "" walks to the broker only
}

// soon is the rest of a certificate's life below which it is time to renew it.
const soon = 30 * 24 * time.Hour

// Run walks the way and tells of each step, one after the other, until the first fault. It reports whether there was none.
func Run(ctx context.Context, s *site.Site, o Options, tell func(Check)) bool {
	w := &walk{site: s, Options: o, report: report{tell: tell, last: time.Now(), done: make(map[Step]bool)}}
	if w.folder() && w.keys() {
		w.online(ctx)
	}
	return !w.broken()
}

// walk is one way.
type walk struct {
	Options
	report
	site *site.Site
	peer jid.JID // the IED; zero: none
	seen atomic.Bool
}

// folder looks at the site.
func (w *walk) folder() bool {
	err := w.site.CheckFolder()
	if err == nil && w.To != "" {
		if w.peer, err = w.site.Peer(w.To); err == nil {
			w.peer, err = site.IED(w.peer)
		}
	}
	if err != nil {
		w.fault(Folder, err)
		return false
	}
	w.ok(Folder, false, fmt.Sprintf("%s, domain %s", w.site.Dir, w.site.Domain))
	return true
}

// keys looks at what the party shows of itself.
func (w *walk) keys() bool {
	credentials, err := w.site.Credentials(w.Party)
	if err != nil {
		w.fault(Keys, err)
		return false
	}
	c := Check{Step: Keys, Outcome: OK, Text: fmt.Sprintf("%v has what it logs in with", w.Party.JID.Bare())}
	if len(credentials) > 1 {
		c.Text += ", and what it proves itself to its peers with"
	}
	for _, cred := range credentials {
		if cred.Err != nil {
			w.add(Check{Step: Keys, Outcome: Fault, Text: cred.Err.Error(), Detail: lines(cred.Chain), Hint: hint(cred.Err)}, false)
			return false
		}
		if cred.Chain == nil {
			c.Detail = append(c.Detail, cred.File+": a password")
			continue
		}
		leaf := cred.Chain[0]
		c.Detail = append(c.Detail, cred.File+": "+describe(leaf))
		if left := time.Until(leaf.NotAfter); left < soon {
			c.Outcome, c.Hint = Warning, fmt.Sprintf("issue the %s certificate anew before it runs out, in %d days", cred.Layer, int(left.Hours()/24))
		}
		for _, warn := range cred.Warn {
			c.Outcome, c.Detail = Warning, append(c.Detail, warn.Error())
			c.Hint = hint(warn)
		}
	}
	w.add(c, false)
	return true
}

// online goes to the broker and on to the IED.
func (w *walk) online(ctx context.Context) {
	w.Party.Stream, w.Party.Carried = w.hooks()
	if w.To == "" {
		endpoint, err := w.site.GoOnline(ctx, w.Party)
		if err != nil {
			w.stopped(err)
			return
		}
		w.arrived()
		endpoint.Close()
		return
	}
	client, err := w.site.Dial(ctx, w.Party, w.To)
	if err != nil {
		w.stopped(err)
		return
	}
	defer client.Close(context.WithoutCancel(ctx))
	w.arrived()
	answer, err := client.GetServerDirectory(ctx)
	if err != nil {
		w.fault(Read, err)
		return
	}
	if len(answer) == 0 {
		w.add(Check{Step: Read, Outcome: Warning, Text: fmt.Sprintf("%v shows no logical device", w.peer),
			Hint: "the roles in the E2E certificate of " + w.Party.JID.Bare().String() + " may not let it see any: look at them with `busbar pki show`"}, true)
		return
	}
	w.ok(Read, true, fmt.Sprintf("it shows the logical devices %s", names(answer)))
}

func names(lds []string) string {
	const most = 6
	if len(lds) > most {
		return strings.Join(lds[:most], ", ") + fmt.Sprintf(" and %d more", len(lds)-most)
	}
	return strings.Join(lds, ", ")
}

// hooks turn what a client does into checks.
func (w *walk) hooks() (*xmpp.Trace, *xmpp82.Trace) {
	return &xmpp.Trace{
			Connecting: func(address string) { w.ok(Address, false, "the broker is looked for at "+address) },
			Connected:  func(_, remote net.Addr) { w.ok(Connection, true, "connected to "+remote.String()) },
			Opened:     func(from, _ string) { w.ok(Stream, true, "an XMPP server speaks for "+from) },
			Secured:    w.secured,
			Insecure:   w.insecure,
			Authenticated: func(account jid.JID, info xmpp.Info) {
				how := info.Mechanism
				if info.ChannelBinding != "" {
					how += " by " + info.ChannelBinding
				}
				w.ok(SASL, true, fmt.Sprintf("logged in as %v, %s", account, how))
			},
			Bound:    func(full jid.JID) { w.ok(Bind, true, "the address is "+full.String()) },
			Received: func(st stanza.Stanza, _ int) { w.received(st) },
		}, &xmpp82.Trace{
			Established: w.established,
		}
}

// secured tells of TLS and the broker's certificate, in three steps.
func (w *walk) secured(info xmpp.Info) {
	w.ok(StartTLS, false, "it takes TLS")
	w.ok(TLS, true, tls.VersionName(info.TLS.Version)+", "+tls.CipherSuiteName(info.TLS.CipherSuite))
	shown := info.TLS.PeerCertificates
	c := Check{Step: Chain, Outcome: OK, Text: "the site's E2M root vouches for the broker", Detail: lines(shown)}
	if len(shown) > 0 {
		if left := time.Until(shown[0].NotAfter); left < soon {
			c.Outcome, c.Hint = Warning, fmt.Sprintf("the broker's certificate runs out in %d days: renew it", int(left.Hours()/24))
		}
	}
	if info.Peer != nil {
		for _, warn := range info.Peer.Warnings() {
			c.Outcome, c.Detail, c.Hint = Warning, append(c.Detail, warn.Error()), warn.Hint
		}
	}
	w.add(c, false)
	if len(shown) > 0 {
		w.ok(Names, false, "its certificate is for "+w.site.Domain)
	}
}

// insecure tells why TLS has failed, with what the server has shown.
func (w *walk) insecure(state tls.ConnectionState, err error) {
	w.ok(StartTLS, false, "it takes TLS")
	step := TLS
	if refused, ok := errors.AsType[*pki.VerifyError](err); ok && refused.Rule != pki.RuleCipher {
		w.ok(TLS, true, tls.VersionName(state.Version)+", "+tls.CipherSuiteName(state.CipherSuite))
		if step = Chain; refused.Rule == pki.RuleName {
			w.ok(Chain, false, "the site's E2M root vouches for the broker", lines(state.PeerCertificates)...)
			step = Names
		}
	}
	w.add(Check{Step: step, Outcome: Fault, Text: err.Error(), Detail: append(lines(state.PeerCertificates), alternatives(state.PeerCertificates)...), Hint: hint(err)}, false)
}

// received looks for the IED's presence.
func (w *walk) received(st stanza.Stanza) {
	if st.Kind == stanza.Presence && st.Type == "" && st.From == w.peer && !w.peer.IsZero() {
		w.seen.Store(true)
	}
}

// presence tells whether the IED has said that it is there.
func (w *walk) presence() {
	switch {
	case w.peer.IsZero() || w.has(Presence):
	case w.seen.Load():
		w.ok(Presence, false, fmt.Sprintf("%v has said that it is there", w.peer))
	default:
		w.add(Check{Step: Presence, Outcome: Warning, Text: fmt.Sprintf("%v has not said that it is there", w.peer),
			Hint: "the two may not see each other's presence: that takes a common group at the broker, or a subscription"}, false)
	}
}

// established tells that both ends have proved who they are.
func (w *walk) established(e xmpp82.Established) {
	w.presence()
	if !e.Protected {
		w.add(Check{Step: E2E, Outcome: Skipped, Text: "end-to-end security is off: nothing proves who the IED is"}, false)
		return
	}
	w.ok(E2E, true, fmt.Sprintf("%s, %s", e.E2E.Signature, e.E2E.Protection), "the IED is "+describe(e.E2E.Peer), "this is    "+describe(e.E2E.Local))
}

// arrived tells of the steps that have no hook of their own.
func (w *walk) arrived() {
	if w.peer.IsZero() {
		return
	}
	w.presence()
	w.ok(Association, false, fmt.Sprintf("associated with %v", w.peer))
}

// stopped tells at which step the way ended.
func (w *walk) stopped(err error) {
	if w.broken() {
		return // a hook has told
	}
	step, said := w.next(), site.HintFor(err)
	if negotiation, ok := errors.AsType[*xmpp.NegotiationError](err); ok {
		step = w.stepOf(negotiation, step)
		err = negotiation
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		c := Check{Step: Address, Outcome: Fault, Text: dns.Error(), Hint: "check the host's name, and that a name server answers here: getent hosts " + dns.Name}
		if w.Party.Connect == "" && said != "" { // nobody has named that host: there may be no broker at all
			c.Hint = said
		}
		w.add(c, false)
		return
	}
	if _, far := errors.AsType[*xmpp82.UnreachableError](err); far {
		w.unreachable(err)
		return
	}
	w.fault(step, err)
}

// next is the first step of the network that has not been told of.
func (w *walk) next() Step {
	for _, step := range Steps {
		if step != Presence && !w.has(step) {
			return step
		}
	}
	return Association
}

// stepOf gives a step of the negotiation its name here.
func (w *walk) stepOf(err *xmpp.NegotiationError, otherwise Step) Step {
	switch err.Step {
	case xmpp.StepConnect:
		return Connection
	case xmpp.StepStream:
		if w.has(SASL) {
			return Bind
		}
		return Stream
	case xmpp.StepStartTLS:
		return StartTLS
	case xmpp.StepTLS:
		w.ok(StartTLS, false, "it takes TLS")
		return TLS
	case xmpp.StepSASL:
		return SASL
	case xmpp.StepBind, xmpp.StepRoster:
		return Bind
	}
	return otherwise
}

// unreachable tells why no answer has come from the IED, as far as the broker says.
func (w *walk) unreachable(err error) {
	refused, _ := errors.AsType[*stanza.Error](err)
	c := Check{Step: Presence, Outcome: Fault, Text: err.Error(), Hint: hint(err)}
	if refused == nil {
		w.add(c, false)
		return
	}
	switch refused.Condition {
	case stanza.ServiceUnavailable, stanza.RecipientUnavailable, stanza.ItemNotFound:
		if w.seen.Load() {
			w.presence()
			c.Step, c.Text = Association, fmt.Sprintf("%v is there, and takes no associations", w.peer)
			c.Hint = "is it an IED? A client of Busbar, which takes none, may have logged in with its address"
			break
		}
		c.Text = fmt.Sprintf("%v is not logged in at its broker", w.peer)
		c.Hint = fmt.Sprintf("start it with `busbar ied --jid %v --scl FILE`; if it runs, look there why it is not on line, and with which resource it is (%q here)", w.peer.Bare(), w.peer.Resource())
	case stanza.Forbidden, stanza.NotAllowed, stanza.PolicyViolation:
		c.Text = fmt.Sprintf("the broker does not let %v speak to %v", w.Party.JID.Bare(), w.peer.Bare())
		c.Hint = "add a rule under broker: rules: in the busbar.yaml of the broker"
	case stanza.RemoteServerNotFound, stanza.RemoteServerTimeout:
		c.Text = fmt.Sprintf("the broker of %s does not reach that of %s: %v", w.site.Domain, w.peer.Domain(), refused)
		c.Hint = fmt.Sprintf("`busbar broker status` where the broker of %s runs says what it has tried; domains: in its busbar.yaml says where the other is and who vouches for it", w.site.Domain)
	}
	w.add(c, false)
}

// fault tells of a step that has failed.
func (w *walk) fault(step Step, err error) {
	if step == E2E || step == Association {
		w.presence()
	}
	w.add(Check{Step: step, Outcome: Fault, Text: err.Error(), Hint: hint(err)}, false)
}

// hint is what to do about err.
func hint(err error) string {
	if h := site.HintFor(err); h != "" {
		return h
	}
	if e, ok := errors.AsType[*acsi.Error](err); ok {
		return "the IED has answered " + e.Code.String() + ": do the roles of this client let it?"
	}
	return ""
}

// lines describe certificates, the peer's own first.
func lines(chain []*x509.Certificate) []string {
	var out []string
	for _, c := range chain {
		out = append(out, describe(c))
	}
	return out
}

// describe says whose a certificate is, who has issued it, and how long it is good.
func describe(c *x509.Certificate) string {
	state := fmt.Sprintf("%d days left", int(time.Until(c.NotAfter).Hours()/24))
	switch now := time.Now(); {
	case now.After(c.NotAfter):
		state = "expired"
	case now.Before(c.NotBefore):
		state = "not valid yet"
	}
	return fmt.Sprintf("%s, issued by %s, until %s (%s)", site.CertificateName(c), c.Issuer.CommonName, c.NotAfter.Local().Format(time.DateOnly), state)
}

// alternatives are the hosts that the first certificate names, which may not be the domain that is looked for.
func alternatives(chain []*x509.Certificate) []string {
	if len(chain) == 0 || len(chain[0].DNSNames) == 0 {
		return nil
	}
	return []string{"it names " + strings.Join(chain[0].DNSNames, ", ")}
}
