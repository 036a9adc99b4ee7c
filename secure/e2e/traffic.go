package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"busbar.example/secure/audit"
)

// maxPDUsPerKey bounds what one key may seal, far below what its counter could number and far above
// what a key sees in its hours.
const maxPDUsPerKey = 1 << 32

// A trafficKey protects one direction. Its PDUs are numbered from 0, so no nonce can come twice
// under one key; and because no number may be left out, nothing can be held back unnoticed.
type trafficKey struct {
	suite   suite
	gcm     cipher.AEAD  // AES-GCM, AES-GMAC
	block   cipher.Block // AES-CBC
	mac     hash.Hash    // HMAC
	prefix  [prefixSize]byte
	counter uint64 // number of the next PDU

	// uncounted is true of a peer whose PDUs come without a number that we understand. Then time and
	// sequence number of the token must do.
	uncounted bool

	scratch [sha256.Size]byte // for a nonce or an ICV
}

func newTrafficKey(keys *schedule, s side) (*trafficKey, error) {
	enc, icv, prefix := keys.direction(s)
	k := &trafficKey{suite: keys.alg, prefix: [prefixSize]byte(prefix)}
	var err error
	switch k.suite.form() {
	case formAEAD:
		k.gcm, err = newGCM(enc, k.suite.icvSize)
	case formGMAC:
		k.gcm, err = newGCM(icv, k.suite.icvSize)
	case formCBC:
		k.block, err = aes.NewCipher(enc)
		k.mac = hmac.New(sha256.New, icv)
	case formHMAC:
		k.mac = hmac.New(sha256.New, icv)
	}
	return k, err
}

func newGCM(key []byte, tagSize int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithTagSize(block, tagSize)
}

func (k *trafficKey) exhausted() bool { return k.counter >= maxPDUsPerKey }

// nonce appends prefix and counter of the next PDU.
func (k *trafficKey) nonce(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, k.prefix[:]...), k.counter)
}

// iv appends what the next token2 has for iv, nothing where it has none. That of AES-CBC must not be
// foreseen by others: it is the block of the nonce, filled up in the middle, encrypted under the key.
//
// NIST SP 800-38A, Appendix C.
func (k *trafficKey) iv(dst []byte) []byte {
	switch k.suite.form() {
	case formGMAC:
		return dst
	case formCBC:
		dst = append(append(dst, k.prefix[:]...), 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint64(dst, k.counter)
		block := dst[len(dst)-aes.BlockSize:]
		k.block.Encrypt(block, block)
		return dst
	}
	return k.nonce(dst)
}

// numberOf returns the nonce in which a PDU carries its number, nil where it carries none.
func (k *trafficKey) numberOf(x *transfer) []byte {
	switch k.suite.form() {
	case formGMAC:
		return x.auth.Nonce
	case formCBC:
		b := make([]byte, aes.BlockSize)
		k.block.Decrypt(b, x.token.IV)
		const gap = aes.BlockSize - nonceSize
		if [prefixSize]byte(b) != k.prefix || [gap]byte(b[prefixSize:]) != [gap]byte{} {
			return nil
		}
		return append(b[:prefixSize], b[prefixSize+gap:]...)
	}
	return x.token.IV
}

// checkNumber checks that a PDU whose ICV is right is the next under the key.
func (k *trafficKey) checkNumber(x *transfer) *fault {
	nonce := k.numberOf(x)
	switch {
	case k.uncounted:
		return nil
	case nonce == nil && k.counter == 0:
		k.uncounted = true
		return nil
	case nonce == nil || !bytes.Equal(nonce[:prefixSize], k.prefix[:]):
		return alarm(audit.E2ESequence, "the nonce does not begin as agreed")
	}
	switch counter := binary.BigEndian.Uint64(nonce[prefixSize:]); {
	case counter < k.counter:
		return alarm(x.events().replay, "PDU %d of the key came again", counter)
	case counter > k.counter:
		return alarm(audit.E2ESequence, "%d PDUs were held back or dropped", counter-k.counter)
	}
	return nil
}

// icv appends the ICV over tbp of the next PDU.
func (k *trafficKey) icv(dst, tbp []byte) []byte {
	if k.gcm != nil {
		return k.gcm.Seal(dst, k.nonce(k.scratch[:0]), nil, tbp)
	}
	k.mac.Reset()
	k.mac.Write(tbp)
	return k.mac.Sum(dst)
}

// verifies reports whether the ICV of a PDU is right under the key.
func (k *trafficKey) verifies(x *transfer) bool {
	if k.gcm != nil {
		_, err := k.gcm.Open(nil, x.auth.Nonce, x.auth.ICV, x.tbp)
		return err == nil
	}
	return hmac.Equal(x.auth.ICV, k.icv(k.scratch[:0], x.tbp))
}

// open verifies a PDU and returns what it carries, decrypted in its place.
func (k *trafficKey) open(x *transfer) ([]byte, *fault) {
	f := k.suite.form()
	if f == formAEAD {
		plain, err := k.gcm.Open(x.data[:0], x.token.IV, x.data, x.token2)
		if err != nil {
			return nil, alarm(x.events().icv, "the tag is wrong")
		}
		return plain, nil
	}
	if !k.verifies(x) {
		return nil, alarm(x.events().icv, "the ICV is wrong")
	}
	if f == formCBC {
		return k.decrypt(x)
	}
	return x.data, nil
}

// decrypt undoes AES-CBC and its padding. The ICV has been verified: there is no oracle in it.
func (k *trafficKey) decrypt(x *transfer) ([]byte, *fault) {
	if len(x.data) == 0 || len(x.data)%aes.BlockSize != 0 {
		return nil, alarm(audit.E2EEncrAlgorithm, "%d octets are no ciphertext of AES-CBC", len(x.data))
	}
	cipher.NewCBCDecrypter(k.block, x.token.IV).CryptBlocks(x.data, x.data)
	end := x.data[len(x.data)-1:]
	rest := len(x.data) - int(end[0])
	if end[0] == 0 || end[0] > aes.BlockSize || bytes.Count(x.data[rest:], end) != int(end[0]) {
		clear(x.data)
		return nil, alarm(audit.E2EEncrAlgorithm, "the padding is wrong")
	}
	return x.data[:rest], nil
}

// encrypt appends the ciphertext of data: AES-CBC with the padding of RFC 5652, Section 6.3, or
// AES-GCM with its tag, for which token2 is the additional data.
func (k *trafficKey) encrypt(dst, data, iv, token2 []byte) []byte {
	if k.suite.form() == formAEAD {
		return k.gcm.Seal(dst, iv, data, token2)
	}
	begin := len(dst)
	dst = append(dst, data...)
	n := aes.BlockSize - len(data)%aes.BlockSize
	for range n {
		dst = append(dst, byte(n))
	}
	cipher.NewCBCEncrypter(k.block, iv).CryptBlocks(dst[begin:], dst[begin:])
	return dst
}

// isFirst reports whether a PDU is the first under the key.
func (k *trafficKey) isFirst(x *transfer) bool {
	if k.gcm == nil {
		return k.verifies(x)
	}
	var first [nonceSize]byte
	return bytes.Equal(k.numberOf(x), k.nonce(first[:0]))
}

// reflects reports whether a PDU that does not verify is one of this key, which is ours.
func (k *trafficKey) reflects(x *transfer) bool {
	if k.gcm == nil {
		return k.verifies(x)
	}
	return bytes.Equal(k.numberOf(x)[:prefixSize], k.prefix[:])
}

// What stands around the parts of a transfer.
const (
	encrStart  = "<EncrTransfer xmlns='" + Namespace + "'><tbp>"
	encrEnd    = "</EncrTransfer>"
	clearStart = "<ClearTransfer xmlns='" + Namespace + "'><tbp>"
	clearEnd   = "</ClearTransfer>"
)

// encodeTransfer appends the transfer of data under the key, whose token2 is encoded and has that
// iv. In clear mode data is canonical.
//
// IEC 62351-4, 13.2.2 and 13.2.3.
func (c *Channel) encodeTransfer(dst []byte, k *trafficKey, iv, data []byte) []byte {
	start, end := encrStart, encrEnd
	if k.suite.alg.Mode() == Clear {
		start, end = clearStart, clearEnd
	}
	dst = append(dst, start...)
	begin := len(dst)
	dst = append(append(append(dst, "<token2>"...), c.token2...), "</token2><applData>"...)
	if k.suite.alg.Mode() == Clear {
		dst = append(dst, data...)
	} else {
		c.box = k.encrypt(c.box[:0], data, iv, c.token2)
		dst = base64.StdEncoding.AppendEncode(dst, c.box)
	}
	dst = append(dst, "</applData>"...)
	tbp := dst[begin:]
	dst = append(dst, "</tbp>"...)
	if k.suite.form() != formAEAD {
		dst = c.appendAuth(dst, k, tbp)
	}
	return append(dst, end...)
}

// appendAuth appends the authenticator over tbp.
func (c *Channel) appendAuth(dst []byte, k *trafficKey, tbp []byte) []byte {
	dst = append(dst, "<auth>"...)
	if k.suite.form() == formGMAC {
		c.box = k.nonce(c.box[:0])
		dst = base64.StdEncoding.AppendEncode(append(dst, "<nonce>"...), c.box)
		dst = append(dst, "</nonce>"...)
	}
	dst = append(append(append(dst, "<algorithm>"...), c.icvAlgXML...), "</algorithm><icv>"...)
	c.box = k.icv(c.box[:0], tbp)
	dst = base64.StdEncoding.AppendEncode(dst, c.box)
	return append(dst, "</icv></auth>"...)
}
