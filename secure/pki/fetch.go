package pki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	fetchTime    = 10 * time.Second // that one fetch may take as a whole
	maxRedirects = 3
	maxAnswer    = 64 << 10 // octets of a responder's answer
	maxURL       = 2048
)

// Online says what of revocation the network is asked, and whom. The zero Online
// asks nobody.
//
// Only http is spoken, without proxies: what comes is signed.
type Online struct {
	// CRLs are URLs of revocation lists, which are fetched whoever comes.
	CRLs []string
	// OCSP is the URL of the responder that is asked about every certificate but those
	// of CAs, in place of those that certificates name.
	OCSP string
	// Hosts are those whose URLs in verified certificates are followed: to the CRL
	// distribution points, and to OCSP responders. Each is a DNS name, an address, a
	// pattern such as *.pki.example, or * for all, which leaves out the machine's own
	// and link-local addresses. Empty: no URL out of a certificate is followed.
	Hosts []string
	// Every is how long what was fetched is gone by before it is fetched anew, where
	// it does not say itself that this is due; default 1 h, at most 24 h.
	Every time.Duration
	// Wait is how long a handshake waits for what is asked for the first time; default
	// 2 s; negative: not at all.
	Wait time.Duration
}

const (
	defaultEvery = time.Hour
	longestEvery = 24 * time.Hour
	defaultWait  = 2 * time.Second
)

func (o Online) withDefaults() Online {
	switch {
	case o.Every <= 0:
		o.Every = defaultEvery
	case o.Every > longestEvery:
		o.Every = longestEvery
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	return o
}

// check refuses what is no URL of http.
func (o Online) check() error {
	if len(o.CRLs) > maxLists/2 {
		return fmt.Errorf("%d URLs of revocation lists are given, %d are allowed", len(o.CRLs), maxLists/2)
	}
	for _, text := range append(slices.Clone(o.CRLs), o.OCSP) {
		if text == "" && text == o.OCSP {
			continue
		}
		if _, err := parseURL(text); err != nil {
			return err
		}
	}
	return nil
}

// parseURL reads a URL that may be fetched.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is not a URL http://HOST/…", printable(text))
	}
	return u, nil
}

// follows reports whether a URL out of a verified certificate, or out of an answer,
// may be fetched.
func (o Online) follows(text string) bool {
	u, err := parseURL(text)
	return err == nil && o.permits(u.Hostname())
}

func (o Online) permits(host string) bool {
	return slices.ContainsFunc(o.Hosts, func(pattern string) bool {
		rest, wild := strings.CutPrefix(pattern, "*.")
		switch {
		case pattern == "*" || strings.EqualFold(pattern, host):
			return true
		case wild:
			_, parent, _ := strings.Cut(host, ".")
			return strings.EqualFold(parent, rest)
		}
		return false
	})
}

// names reports whether the configuration has the host by its name.
func (o Online) names(host string) bool {
	if slices.ContainsFunc(o.Hosts, func(p string) bool { return p != "*" && strings.EqualFold(p, host) }) {
		return true
	}
	return slices.ContainsFunc(append(slices.Clone(o.CRLs), o.OCSP), func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && strings.EqualFold(u.Hostname(), host)
	})
}

// client returns what fetches: it keeps no connection, goes where the configuration
// allows, and takes as long as fetchTime.
func (o Online) client() *http.Client {
	transport := &http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			if host, _, err := net.SplitHostPort(address); err != nil || !o.names(host) {
				d.Control = refuseOwn
			}
			return d.DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: transport, Timeout: fetchTime, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > maxRedirects:
			return fmt.Errorf("more than %d redirections", maxRedirects)
		case r.URL.Scheme != "http" || !o.permits(r.URL.Hostname()) && !o.names(r.URL.Hostname()):
			return fmt.Errorf("it redirects to %s, which the configuration does not allow", printable(r.URL.Redacted()))
		}
		return nil
	}}
}

// refuseOwn keeps a host that is only allowed in general from standing for this
// machine or its link.
func refuseOwn(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("its address %v is this machine's or its link's: name the host in the configuration if that is meant", ip)
	}
	return nil
}

// fetch sends a request, a GET where there is no body, and returns what is answered,
// max octets at most.
func fetch(ctx context.Context, client *http.Client, text string, body []byte, max int64) ([]byte, error) {
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, reader = http.MethodPost, bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, text, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/ocsp-request")
	}
	response, err := client.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL is told by the caller
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", printable(response.Status))
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("the answer has more than %d octets", max)
	}
	return data, err
}
