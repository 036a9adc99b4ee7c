package e2e

import (
	"bytes"
	"encoding/base64"
	"strconv"
)

// readEncrTransfer reads an EncrTransfer of authenticated encryption in the one form that Seal
// writes: canonical, and with nothing about keys in its token. That is how nearly all data comes,
// and it takes a third of the time that the scanner and the codec take. Where it is not ok, they
// decide; where it is, they would come to the same.
func readEncrTransfer(octets []byte) (x transfer, ok bool) {
	const begin, end = encrStart + "<token2>", "</applData></tbp></EncrTransfer>"
	rest, ok := bytes.CutPrefix(octets, []byte(begin))
	if !ok || !bytes.HasSuffix(rest, []byte(end)) {
		return x, false
	}
	rest = rest[:len(rest)-len(end)]
	f := fields{rest}
	t := &ClearToken2{
		AssoID: string(f.next("<assoID>", "</assoID>", "0123456789:")),
		Time:   string(f.next("<time>", "</time>", "0123456789,Z")),
	}
	seq := f.next("<seq>", "</seq>", "0123456789")
	iv := f.next("<iv>", "</iv></token2><applData>", "")
	number, err := strconv.ParseUint(string(seq), 10, 32)
	if f.rest == nil || err != nil || seq[0] == '0' && len(seq) > 1 {
		return x, false
	}
	t.Seq = uint32(number)
	var ok1, ok2 bool
	t.IV, ok1 = decodeBase64(iv)
	x = transfer{mode: Encrypted, token: t, token2: rest[:len(rest)-len(f.rest)-len("</token2><applData>")]}
	x.data, ok2 = decodeBase64(f.rest)
	return x, ok1 && ok2
}

// fields are elements that follow each other; nil once one is not as expected.
type fields struct{ rest []byte }

// next returns the content of the next element, at least one octet, all of them in charset unless
// that is empty.
func (f *fields) next(open, end, charset string) []byte {
	rest, ok := bytes.CutPrefix(f.rest, []byte(open))
	content, rest, found := bytes.Cut(rest, []byte(end))
	if !ok || !found || len(content) == 0 || charset != "" && len(bytes.Trim(content, charset)) != 0 {
		f.rest = nil
		return nil
	}
	f.rest = rest
	return content
}

// decodeBase64 decodes what is not empty, in the one spelling that is written.
func decodeBase64(b []byte) ([]byte, bool) {
	if len(b) == 0 || bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 {
		return nil, false // which encoding/base64 skips
	}
	decoded, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(b))), b)
	return decoded, err == nil
}
