package pki

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	maxLists   = 64       // URLs of revocation lists
	maxListed  = 64 << 20 // octets of all fetched lists together
	maxAnswers = 4096     // of responders, some kilobytes each
	maxFetches = 8        // at once
	firstRetry = time.Minute
	forgotten  = 24 * time.Hour // what nobody asks for any more
)

// online is what the network has told of revocation. Who asks never waits for the
// network longer than it says: each fetch is a goroutine that ends within fetchTime.
type online struct {
	places chan struct{} // one for each fetch under way

	mu      sync.Mutex
	cfg     Online
	client  *http.Client
	urls    map[string]*list
	answers map[answerKey]*answer
	silent  map[string]time.Time // URLs that have failed, and until when nobody waits for them
}

// errand is one thing that is fetched again and again. Its online's mutex guards it.
type errand struct {
	url      string
	flight   chan struct{} // closed when the fetch under way has ended; nil: there is none
	due      time.Time     // of the next fetch
	failures int           // in a row
	err      error         // of the last fetch, or nil
	used     time.Time
}

// list is a revocation list at a URL.
type list struct {
	errand
	configured bool
	issuer     *x509.Certificate // by whom it must be signed; nil: not known yet
	last, next *crl              // next has not proved yet to be its issuer's
}

// answer is what a responder says on a certificate.
type answer struct {
	errand       // no url: it has come as a staple
	cert, issuer *x509.Certificate
	response     *ocsp.Response // verified; nil: none yet
}

type answerKey [sha256.Size]byte

func keyOfAnswer(cert, issuer *x509.Certificate) answerKey {
	h := sha256.New()
	h.Write(issuer.RawSubjectPublicKeyInfo)
	h.Write(cert.SerialNumber.Bytes())
	return answerKey(h.Sum(nil))
}

// current reports whether the answer is good at now.
func (a *answer) current(now time.Time) bool {
	return a.response != nil && a.response.Status == ocsp.Good && !now.After(endOf(a.response)) && !a.response.ThisUpdate.After(now.Add(ocspSkew))
}

func newOnline(cfg Online) *online {
	o := &online{places: make(chan struct{}, maxFetches), urls: make(map[string]*list), answers: make(map[answerKey]*answer), silent: make(map[string]time.Time)}
	o.set(cfg)
	return o
}

// set has o go by another configuration. What it has learnt stays, as far as the
// new one would let it learn it.
func (o *online) set(cfg Online) {
	o.mu.Lock()
	defer o.mu.Unlock()
	cfg = cfg.withDefaults()
	o.cfg, o.client = cfg, cfg.client()
	for _, l := range o.urls {
		l.configured = false
	}
	for _, text := range cfg.CRLs {
		l := o.urls[text]
		if l == nil {
			l = &list{errand: errand{url: text}}
			o.urls[text] = l
		}
		l.configured = true
	}
	for text, l := range o.urls {
		if !l.configured && !cfg.follows(text) {
			delete(o.urls, text)
		}
	}
	for _, a := range o.answers {
		a.url, a.err = o.responder(a.cert), nil
	}
	clear(o.silent)
}

// lists returns the revocation lists that have been fetched.
func (o *online) lists() (lists []*crl) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.urls {
		for _, c := range []*crl{l.last, l.next} {
			if c != nil {
				lists = append(lists, c)
			}
		}
	}
	return lists
}

// answerOn returns what a responder has said on a certificate; nil: none was asked.
func (o *online) answerOn(cert, issuer *x509.Certificate) *answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.answers) == 0 {
		return nil
	}
	a := o.answers[keyOfAnswer(cert, issuer)]
	if a == nil {
		return nil
	}
	found := *a
	return &found
}

// want begins to fetch what tells of the revocation of a certificate, which was
// verified to be the issuer's, as far as it is not known or due, and returns what
// ends with what is asked for the first time.
func (o *online) want(cert, issuer *x509.Certificate, now time.Time) (pending []<-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := func(e *errand) {
		if e.flight != nil && now.After(o.silent[e.url]) {
			pending = append(pending, e.flight)
		}
	}
	for _, text := range cert.CRLDistributionPoints {
		if l := o.listAt(text); l != nil {
			l.issuer, l.used = issuer, now
			o.begin(&l.errand, now, l.fetch)
			if l.last == nil {
				first(&l.errand)
			}
		}
	}
	for _, l := range o.urls {
		if l.configured {
			o.begin(&l.errand, now, l.fetch)
			if l.last == nil && l.next == nil {
				first(&l.errand)
			}
		}
	}
	if a := o.answerAt(cert, issuer); a != nil {
		a.used = now
		o.begin(&a.errand, now, a.fetch)
		if a.response == nil {
			first(&a.errand)
		}
	}
	return pending
}

// listAt returns the list at a URL out of a verified certificate; nil: it is not to
// be fetched. o.mu is held.
func (o *online) listAt(text string) *list {
	if l := o.urls[text]; l != nil {
		return l
	}
	if !o.cfg.follows(text) || len(o.urls) >= maxLists {
		return nil
	}
	l := &list{errand: errand{url: text}}
	o.urls[text] = l
	return l
}

// answerAt returns the place for the answer on a certificate; nil: nobody is to be
// asked. o.mu is held.
func (o *online) answerAt(cert, issuer *x509.Certificate) *answer {
	responder := o.responder(cert)
	if responder == "" {
		return nil
	}
	a := o.place(cert, issuer)
	a.url = responder
	return a
}

// responder returns the URL of whom to ask about a certificate; "": nobody. o.mu is
// held.
func (o *online) responder(cert *x509.Certificate) string {
	if o.cfg.OCSP != "" && !cert.IsCA {
		return o.cfg.OCSP
	}
	for _, text := range cert.OCSPServer {
		if o.cfg.follows(text) {
			return text
		}
	}
	return ""
}

// place returns the place for what is known on a certificate. Where there is none
// left, another's is taken. o.mu is held.
func (o *online) place(cert, issuer *x509.Certificate) *answer {
	key := keyOfAnswer(cert, issuer)
	a := o.answers[key]
	if a == nil {
		if len(o.answers) >= maxAnswers {
			for other := range o.answers {
				delete(o.answers, other)
				break
			}
		}
		a = &answer{cert: cert, issuer: issuer}
		o.answers[key] = a
	}
	return a
}

// take takes the answer that a peer has brought with it.
func (o *online) take(cert, issuer *x509.Certificate, der []byte, now time.Time) error {
	if len(der) > maxAnswer {
		return fmt.Errorf("it has %d octets, %d are allowed", len(der), maxAnswer)
	}
	r, err := readOCSP(der, cert, issuer, nil, now)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.place(cert, issuer)
	a.used = now
	a.learn(r, now, o.cfg.Every)
	return nil
}

// learn takes an answer, unless a newer one is there. The next is due halfway to its
// end at the latest. The mutex of its online is held.
func (a *answer) learn(r *ocsp.Response, now time.Time, every time.Duration) {
	if a.response != nil && r.ThisUpdate.Before(a.response.ThisUpdate) {
		return
	}
	a.response, a.err, a.failures = r, nil, 0
	a.due = now.Add(min(every, max(firstRetry, endOf(r).Sub(now)/2)))
}

// begin begins a fetch, if it is due and none is under way. o.mu is held.
func (o *online) begin(e *errand, now time.Time, do func(*online, context.Context, *http.Client) error) {
	if e.flight != nil || now.Before(e.due) {
		return
	}
	e.flight = make(chan struct{})
	client, every := o.client, o.cfg.Every
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*fetchTime) // half of it to wait for a place
		defer cancel()
		var err error
		select {
		case o.places <- struct{}{}:
			err = do(o, ctx, client)
			<-o.places
		case <-ctx.Done():
			err = errors.New("too much else is being fetched")
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		e.err = err
		if delete(o.silent, e.url); err != nil {
			e.due = time.Now().Add(min(every, firstRetry<<min(e.failures, 10)))
			e.failures++
			if len(o.silent) < maxAnswers {
				o.silent[e.url] = e.due
			}
		}
		close(e.flight)
		e.flight = nil
	}()
}

// fetch fetches the list anew. One that is older than the one that is there, or that
// its issuer has not signed, is an error and changes nothing.
func (l *list) fetch(o *online, ctx context.Context, client *http.Client) error {
	data, err := fetch(ctx, client, l.url, nil, maxFile)
	if err != nil {
		return err
	}
	parsed, err := parseCRLs(data)
	if err != nil {
		return err
	}
	if len(parsed) != 1 {
		return fmt.Errorf("%d revocation lists are in it", len(parsed))
	}
	c, err := newCRL(parsed[0])
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.next != nil && l.next.issuer.Load() != nil {
		l.last, l.next = l.next, nil // it has proved itself
	}
	now := time.Now()
	switch next := c.list.NextUpdate; {
	case l.issuer != nil && !c.isOf(l.issuer):
		return fmt.Errorf("it is not the list of %s", Name(l.issuer))
	case l.last != nil && string(l.last.list.RawIssuer) == string(c.list.RawIssuer) && l.last.newerThan(c):
		return errors.New("it is older than the one that was there before")
	case o.held()+len(data) > maxListed:
		return fmt.Errorf("all lists together have more than %d octets", maxListed)
	case !next.IsZero() && now.After(next):
		err = fmt.Errorf("it was due for an update on %s", next.UTC().Format(time.DateTime))
	}
	l.due = now.Add(o.cfg.Every)
	if next := c.list.NextUpdate; next.After(now) && next.Before(l.due) {
		l.due = next
	}
	if l.issuer != nil {
		l.last, l.next = c, nil
	} else {
		l.next = c
	}
	l.failures = 0
	return err
}

// held counts the octets of all lists. o.mu is held.
func (o *online) held() (octets int) {
	for _, l := range o.urls {
		for _, c := range []*crl{l.last, l.next} {
			if c != nil {
				octets += len(c.list.Raw)
			}
		}
	}
	return octets
}

// fetch asks the responder anew.
func (a *answer) fetch(o *online, ctx context.Context, client *http.Client) error {
	request, nonce, err := ocspRequest(a.cert, a.issuer)
	if err != nil {
		return err
	}
	o.mu.Lock()
	responder := a.url
	o.mu.Unlock()
	data, err := fetch(ctx, client, responder, request, maxAnswer)
	if err != nil {
		return err
	}
	now := time.Now()
	r, err := readOCSP(data, a.cert, a.issuer, nonce, now)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a.learn(r, now, o.cfg.Every)
	return nil
}

// await waits until all that is pending has ended, as long as a handshake may.
func (o *online) await(pending []<-chan struct{}) {
	if len(pending) == 0 {
		return
	}
	o.mu.Lock()
	wait := o.cfg.Wait
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), max(wait, 0))
	defer cancel()
	awaitAll(ctx, pending)
}

func awaitAll(ctx context.Context, pending []<-chan struct{}) {
	for _, done := range pending {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// update fetches all that is due, waits for it, and returns what went wrong.
func (o *online) update(ctx context.Context, now time.Time) error {
	awaitAll(ctx, o.beginAll(now))
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, l := range o.urls {
		if l.err != nil {
			errs = append(errs, fmt.Errorf("revocation list at %s: %w", printable(l.url), l.err))
		}
	}
	failing := map[string]error{} // one error for each responder
	for _, a := range o.answers {
		if a.err != nil {
			failing[a.url] = fmt.Errorf("OCSP responder at %s, on %s: %w", printable(a.url), Name(a.cert), a.err)
		}
	}
	for _, err := range failing {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// beginAll begins to fetch what is due, and forgets what nobody asks for any more.
func (o *online) beginAll(now time.Time) (pending []<-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for text, l := range o.urls {
		if !l.configured && l.flight == nil && now.Sub(l.used) > forgotten {
			delete(o.urls, text)
			continue
		}
		o.begin(&l.errand, now, l.fetch)
		if l.flight != nil {
			pending = append(pending, l.flight)
		}
	}
	for key, a := range o.answers {
		if a.flight == nil && now.Sub(a.used) > forgotten {
			delete(o.answers, key)
			continue
		}
		if a.url == "" {
			continue
		}
		o.begin(&a.errand, now, a.fetch)
		if a.flight != nil {
			pending = append(pending, a.flight)
		}
	}
	return pending
}
