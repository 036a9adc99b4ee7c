package e2e

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
)

// readTransfer reads a data PDU in the one form that Seal writes under the channel's algorithm:
// canonical, and with nothing about keys in its token. That is how nearly all data comes, and it
// takes a third of the time that the scanner and the codec take. Where it is not ok, they decide;
// where it is, they would come to the same.
func (c *Channel) readTransfer(octets []byte) (x transfer, ok bool) {
	clear := c.suite.alg.Mode() == Clear
	start, end := encrStart, "</tbp>"+encrEnd
	if clear {
		x.mode, start, end = Clear, clearStart, "</tbp>"+clearEnd
	}
	if c.suite.form() != formAEAD {
		end = end[len("</tbp>"):]
	}
	tbp, ok := bytes.CutPrefix(octets, []byte(start))
	if !ok || !bytes.HasSuffix(tbp, []byte(end)) || len(octets) > maxTransferSize {
		return x, false
	}
	tbp = tbp[:len(tbp)-len(end)]
	if c.suite.form() != formAEAD {
		at := bytes.LastIndex(tbp, []byte("</tbp>"))
		if at < 0 {
			return x, false
		}
		if x.auth, ok = c.readAuth(tbp[at+len("</tbp>"):]); !ok {
			return x, false
		}
		tbp = tbp[:at]
	}
	x.tbp = tbp
	data, ok := c.readToken(&x, tbp)
	if !ok {
		return x, false
	}
	if clear {
		return x, x.readClear(c, data)
	}
	x.data, ok = decodeBase64(data)
	return x, ok
}

// readToken reads the beginning of tbp, and returns the content of applData. The token is good until the next PDU: most of
// it is as it was in the last.
func (c *Channel) readToken(x *transfer, tbp []byte) ([]byte, bool) {
	f := fields{tbp}
	f.skip("<token2>")
	begin := len(tbp) - len(f.rest)
	t := &c.opening
	*t = ClearToken2{
		AssoID: f.text(c.assoID, "<assoID>", "</assoID>", "0123456789:"),
		Time:   f.text(t.Time, "<time>", "</time>", "0123456789,Z"),
		IV:     t.IV[:0],
	}
	x.token = t
	seq := f.next("<seq>", "</seq>", "0123456789")
	number, err := strconv.ParseUint(string(seq), 10, 32)
	if err != nil || seq[0] == '0' && len(seq) > 1 {
		return nil, false
	}
	t.Seq = uint32(number)
	if bytes.HasPrefix(f.rest, []byte("<iv>")) {
		var ok bool
		if t.IV, ok = appendBase64(t.IV, f.next("<iv>", "</iv>", "")); !ok {
			return nil, false
		}
	} else {
		t.IV = nil
	}
	x.token2 = tbp[begin : len(tbp)-len(f.rest)]
	f.skip("</token2><applData>")
	data, ok := bytes.CutSuffix(f.rest, []byte("</applData>"))
	return data, ok
}

// readClear takes data that is its own canonical form.
func (x *transfer) readClear(c *Channel, data []byte) bool {
	form, err := appendApplData(c.canonical[:0], data, maxTransferSize)
	if err != nil || !bytes.Equal(form, data) {
		return false
	}
	c.canonical, x.data = form, bytes.Clone(data)
	return true
}

// readAuth reads an authenticator of the agreed algorithm.
func (c *Channel) readAuth(octets []byte) (*Authenticator, bool) {
	f := fields{octets}
	f.skip("<auth>")
	a, ok := &Authenticator{Algorithm: c.icvAlg}, true
	if bytes.HasPrefix(f.rest, []byte("<nonce>")) {
		if a.Nonce, ok = decodeBase64(f.next("<nonce>", "</nonce>", "")); !ok {
			return nil, false
		}
	}
	f.skip("<algorithm>")
	f.skip(string(c.icvAlgXML))
	f.skip("</algorithm>")
	a.ICV, ok = decodeBase64(f.next("<icv>", "</icv></auth>", ""))
	return a, ok && f.rest != nil && len(f.rest) == 0
}

// fields are elements that follow each other; nil once one is not as expected.
type fields struct{ rest []byte }

// skip passes over what must come next.
func (f *fields) skip(part string) {
	if len(f.rest) < len(part) || string(f.rest[:len(part)]) != part {
		f.rest = nil
		return
	}
	f.rest = f.rest[len(part):]
}

// text is next for a text that is likely to be the one that is known, which is of that charset.
func (f *fields) text(known, open, end, charset string) string {
	again := *f
	again.skip(open)
	again.skip(known)
	again.skip(end)
	if known != "" && again.rest != nil {
		*f = again
		return known
	}
	return string(f.next(open, end, charset))
}

// next returns the content of the next element, at least one octet, all of them in charset unless
// that is empty.
func (f *fields) next(open, end, charset string) []byte {
	f.skip(open)
	content, rest, found := bytes.Cut(f.rest, []byte(end))
	if !found || len(content) == 0 || charset != "" && len(bytes.Trim(content, charset)) != 0 {
		f.rest = nil
		return nil
	}
	f.rest = rest
	return content
}

// decodeBase64 decodes what is not empty, in the one spelling that is written.
func decodeBase64(b []byte) ([]byte, bool) {
	return appendBase64(make([]byte, 0, base64.StdEncoding.DecodedLen(len(b))), b)
}

// appendBase64 is decodeBase64 with a buffer to append to.
func appendBase64(dst, b []byte) ([]byte, bool) {
	if len(b) == 0 || bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 {
		return nil, false // which encoding/base64 skips
	}
	decoded, err := strictBase64.AppendDecode(dst, b)
	return decoded, err == nil
}

var strictBase64 = base64.StdEncoding.Strict()

// appendToken2 appends the content of a token2 that says nothing about keys, as the codec does.
func appendToken2(dst []byte, assoID string, at time.Time, seq uint32, iv []byte) []byte {
	dst = append(append(dst, "<assoID>"...), assoID...)
	dst = appendTimestamp(append(dst, "</assoID><time>"...), at)
	dst = strconv.AppendUint(append(dst, "</time><seq>"...), uint64(seq), 10)
	dst = append(dst, "</seq>"...)
	if len(iv) > 0 {
		dst = base64.StdEncoding.AppendEncode(append(dst, "<iv>"...), iv)
		dst = append(dst, "</iv>"...)
	}
	return dst
}
