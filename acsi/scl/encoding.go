package scl

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// toUTF8 makes UTF-8 of what files are found in: UTF-8 and UTF-16 with or without a byte order mark, ISO 8859-1 and
// windows-1252. wrong says why it is not as SCL asks for, and is empty where it is.
//
// IEC 61850-6, 8.1.
func toUTF8(text []byte) (out []byte, wrong string, err error) {
	switch {
	case bytes.HasPrefix(text, []byte{0xef, 0xbb, 0xbf}):
		text = text[3:]
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		return fromUTF16(text[2:], binary.LittleEndian), "it is UTF-16", nil
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return fromUTF16(text[2:], binary.BigEndian), "it is UTF-16", nil
	case bytes.HasPrefix(text, []byte{'<', 0}):
		return fromUTF16(text, binary.LittleEndian), "it is UTF-16 without a byte order mark", nil
	case bytes.HasPrefix(text, []byte{0, '<'}):
		return fromUTF16(text, binary.BigEndian), "it is UTF-16 without a byte order mark", nil
	}
	label := declaredEncoding(text)
	switch strings.ToLower(label) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		if utf8.Valid(text) {
			return text, "", nil
		}
		return fromWindows1252(text), "it claims to be UTF-8 and is not: it was read as windows-1252", nil
	case "iso-8859-1", "latin1", "windows-1252", "cp1252", "iso-8859-15":
		if utf8.Valid(text) && !isASCII(text) {
			return text, "it claims to be " + clip(label) + " and is UTF-8", nil
		}
		return fromWindows1252(text), "it is " + clip(label), nil
	}
	if utf8.Valid(text) {
		return text, "it claims to be " + clip(label) + ": it was read as UTF-8", nil
	}
	return nil, "", errorUnknownEncoding(label)
}

func errorUnknownEncoding(label string) error {
	return &Error{Line: 1, Rule: rules[ruleEncoding].ID, Msg: "the encoding " + quote(label) + " is not read", Hint: rules[ruleEncoding].Hint}
}

// declaredEncoding is what the XML declaration says, or "".
func declaredEncoding(text []byte) string {
	head := text[:min(len(text), 200)]
	if !bytes.HasPrefix(head, []byte("<?xml")) {
		return ""
	}
	head, _, _ = bytes.Cut(head, []byte("?>"))
	_, rest, ok := bytes.Cut(head, []byte("encoding"))
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if !ok || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	label, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(label)
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func fromUTF16(text []byte, order binary.ByteOrder) []byte {
	out := make([]byte, 0, len(text)/2)
	for len(text) >= 2 {
		r := rune(order.Uint16(text))
		text = text[2:]
		if utf16.IsSurrogate(r) && len(text) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(text))); pair != utf8.RuneError {
				r, text = pair, text[2:]
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// windows1252 is what stands in 0x80–0x9F, where it differs from ISO 8859-1: there, these are control characters, which
// no tool writes.
var windows1252 = [32]rune{'€', 0xfffd, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0xfffd, 'Ž', 0xfffd,
	0xfffd, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0xfffd, 'ž', 'Ÿ'}

func fromWindows1252(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, c := range text {
		switch {
		case c < 0x80:
			out = append(out, c)
		case c < 0xa0:
			out = utf8.AppendRune(out, windows1252[c-0x80])
		default:
			out = utf8.AppendRune(out, rune(c))
		}
	}
	return out
}
