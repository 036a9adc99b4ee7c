#!/usr/bin/env bash
# Computes anew, with openssl and nothing else, what a session-*.txt of this folder holds:
#
#	testdata/e2e/openssl.sh testdata/e2e/session-aes-256-gcm.txt
#
# It starts from the two private keys of the key agreement, the certificates and the PDUs. Each line of its output is
# something that agrees; what does not ends it with status 1. It needs bash, openssl 3, coreutils and sed.
#
# openssl encrypts with AES-CTR and computes GMAC, but has no command for AES-GCM. So the ciphertext is decrypted with
# AES-CTR, whose counter begins at 2 in GCM. The tag T is a polynomial in H over the additional data A, the ciphertext C,
# both filled up with zeros, and the block L of their lengths, plus E(J0); GMAC is the same over its own input, and adds
# a block of lengths of its own. With S = T + E(J0), a tag is right exactly if
#
#	GMAC(A C L 0) + GMAC(S) = GMAC(0 … 0, as many) + GMAC(0)
#
# for the left side holds S·H² twice, and what is left on both sides is the blocks of lengths.
#
# NIST SP 800-38D, 6.4 and 7.1; RFC 5869; IEC 62351-4, 13.
set -euo pipefail
file=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

declare -A sections
name=
while IFS= read -r line; do
	case $line in
	"-- "*" --") name=${line#-- }; name=${name% --}; sections[$name]= ;;
	?*) [ -z "$name" ] || sections[$name]+=${sections[$name]:+$'\n'}$line ;;
	esac
done <"$file"
has() { [ -n "${sections[$1]+x}" ]; }
section() { has "$1" || fail "there is no section $1"; printf '%s\n' "${sections[$1]}"; }

fail() { printf '%s: %s\n' "$file" "$*" >&2; exit 1; }
hex() { local x; x=$(od -An -v -tx1); printf %s "${x//[[:space:]]/}"; }
bin() { local i x=; for ((i = 0; i < ${#1}; i += 2)); do x+=\\x${1:i:2}; done; printf %b "$x"; }
plain() { local x; x=${1//:/}; printf %s "${x,,}"; } # hex without colons, in lower case
unbase64() { base64 -d <<<"$1" | hex; }
agree() { # NAME, OPENSSL'S, OURS, and what to print
	[ "$2" = "$3" ] || fail "$1 is $3, openssl has $2"
	printf '%s: %s\n' "$1" "${4-$2}"
}
holds() { agree "$1" "$2" "$(section "$1")"; } # that section, this value
xor() { local i; for ((i = 0; i < ${#1}; i += 2)); do printf %02x $((0x${1:i:2} ^ 0x${2:i:2})); done; }
zeros() { printf '%0*d' "$1" 0; } # hex digits

# inside PDU ELEMENT: its content, from the first start tag to the last end tag.
inside() { local rest=${1#*"<$2>"}; [ "$rest" != "$1" ] || return 0; printf %s "${rest%"</$2>"*}"; }
# leaf XML ELEMENT: the text of the first such.
leaf() { local rest=${1#*"<$2>"}; [ "$rest" != "$1" ] || return 0; printf %s "${rest%%"<"*}"; }

sha256() { openssl dgst -sha256 -binary | hex; }
aes() { openssl enc "-aes-$((4 * ${#2}))-$1" -K "$2" "${@:3}"; } # MODE KEY
mac() { plain "$(openssl mac "${@:2}" -in "$dir/in" "$1")"; } # of $dir/in
gmac() { mac GMAC -cipher "AES-$((4 * ${#1}))-GCM" -macopt "hexkey:$1" -macopt "hexiv:$2"; } # KEY NONCE

# der NAME LINE…: the encoding that such a configuration of asn1parse describes.
der() { printf '%s\n' "${@:2}" >"$dir/conf"; openssl asn1parse -genconf "$dir/conf" -noout -out "$dir/$1"; }

# secret PRIVATE PUBLIC, in hex: their shared secret, on P-256 (group 23) or in group 14.
secret() {
	if [ "$group" = 23 ]; then
		der private asn1=SEQUENCE:k '[k]' v=INTEGER:1 "d=FORMAT:HEX,OCTETSTRING:$1" c=EXPLICIT:0,OID:prime256v1
		der public asn1=SEQUENCE:k '[k]' a=SEQUENCE:a "q=FORMAT:HEX,BITSTRING:$2" '[a]' t=OID:id-ecPublicKey c=OID:prime256v1
		openssl pkeyutl -derive -keyform DER -inkey "$dir/private" -peerform DER -peerkey "$dir/public" | hex
		return
	fi
	local p
	p=$(openssl genpkey -genparam -algorithm DH -pkeyopt group:modp_2048 | openssl asn1parse | sed -n 's/.*INTEGER *:\(F\{16\}.*\)/\1/p')
	der private asn1=SEQUENCE:k '[k]' v=INTEGER:0 a=SEQUENCE:a "x=OCTWRAP,INTEGER:0x$1" '[a]' t=OID:dhKeyAgreement d=SEQUENCE:d '[d]' "p=INTEGER:0x$p" g=INTEGER:2
	der public asn1=SEQUENCE:k '[k]' a=SEQUENCE:a "y=BITWRAP,INTEGER:0x$2" '[a]' t=OID:dhKeyAgreement d=SEQUENCE:d '[d]' "p=INTEGER:0x$p" g=INTEGER:2
	openssl pkeyutl -derive -keyform DER -inkey "$dir/private" -peerform DER -peerkey "$dir/public" -pkeyopt dh_pad:1 | hex
}

# signature NAME SIGNER: that of a PDU, over the content of its tbs, by a certificate that the root has signed.
signature() {
	local pdu
	pdu=$(section "$1")
	inside "$pdu" tbs >"$dir/tbs"
	leaf "${pdu#*"</algo>"}" sign | base64 -d >"$dir/sign"
	section "$2 certificate" | openssl x509 -noout -pubkey >"$dir/key"
	openssl dgst -sha256 -verify "$dir/key" -signature "$dir/sign" "$dir/tbs" >/dev/null || fail "the signature of $1 is wrong"
	agree "certificate of $1" "$(section "$2 certificate" | openssl x509 -outform DER | base64 -w0)" "$(leaf "$pdu" pkCert)" "the $2's"
	leaf "$pdu" OCTET_STRING | base64 -d >"$dir/der"
	openssl x509 -inform DER -in "$dir/der" -out "$dir/path" 2>/dev/null || section "root certificate" >"$dir/path"
	section "root certificate" >"$dir/root"
	section "$2 certificate" | openssl verify -attime "$(date -d "$(section now)" +%s)" -CAfile "$dir/root" -untrusted "$dir/path" >/dev/null || fail "the $2 has no path"
	printf '%s: signed by the %s\n' "$1" "$2"
}

# schedule SUFFIX KEY: what HKDF yields of the key, under the salt with that suffix.
schedule() {
	local parts=() side part want= got
	for side in client server; do
		for part in "traffic key" "encryption key" "ICV key"; do
			if has "$side's $part"; then parts+=("$side's $part$1"); fi
		done
	done
	parts+=("client's nonce prefix$1" "server's nonce prefix$1" "chain value$1")
	for part in "${parts[@]}"; do want+=$(section "$part"); done
	got=$(plain "$(openssl kdf -keylen $((${#want} / 2)) -kdfopt digest:SHA256 -kdfopt "hexkey:$2" -kdfopt "hexsalt:$(section "salt$1")" HKDF)")
	for part in "${parts[@]}"; do
		want=$(section "$part")
		agree "$part" "${got:0:${#want}}" "$want"
		got=${got:${#want}}
	done
}

# gcm NAME KEY NONCE ADDITIONAL-DATA BOX, the last three in hex: checks the tag, then decrypts.
gcm() {
	local text=${5:0:${#5}-32} tag=${5: -32} all l sum zero
	all=$4$(zeros $(((32 - ${#4} % 32) % 32)))$text$(zeros $(((32 - ${#text} % 32) % 32)))$(printf '%016x%016x' $((4 * ${#4})) $((4 * ${#text})))$(zeros 32)
	bin "$all" >"$dir/in"; l=$(gmac "$2" "$3")
	bin "$(xor "$tag" "$(bin "${3}00000001" | aes ecb "$2" -e -nopad | hex)")" >"$dir/in"; sum=$(gmac "$2" "$3")
	bin "$(zeros ${#all})" >"$dir/in"; zero=$(gmac "$2" "$3")
	bin "$(zeros 32)" >"$dir/in"
	agree "tag of $1" "$(xor "$l" "$sum")" "$(xor "$zero" "$(gmac "$2" "$3")")" "$tag"
	agree "$1" "$(section plaintext)" "$(bin "$text" | aes ctr "$2" -d -iv "${3}00000002")"
}

# transfer NAME SIDE SUFFIX NUMBER: one PDU of a side, under the keys with that suffix, of which it is so many-th.
transfer() {
	local pdu key token iv number data
	pdu=$(section "$1"); token=$(inside "$pdu" token2); iv=$(unbase64 "$(leaf "$token" iv)")
	number=$(section "$2's nonce prefix$3")$(printf %016x "$4")
	printf %s "$(inside "$pdu" tbp)" >"$dir/tbp"
	if has "$2's traffic key"; then
		holds "additional data of $1" "$token"
		holds "nonce of $1" "$number"
		agree "iv of $1" "$number" "$iv"
		data=$(unbase64 "$(leaf "$pdu" applData)")
		holds "ciphertext of $1" "$data"
		gcm "$1" "$(section "$2's traffic key$3")" "$number" "$(printf %s "$token" | hex)" "$data"
		return
	fi
	holds "octets under the ICV of $1" "$(cat "$dir/tbp")"
	key=$(section "$2's ICV key$3")
	cp "$dir/tbp" "$dir/in"
	if has "$2's encryption key"; then
		data=$(unbase64 "$(leaf "$pdu" applData)")
		holds "ciphertext of $1" "$data"
		holds "initialization vector of $1" "$(bin "${number:0:8}00000000${number:8}" | aes ecb "$(section "$2's encryption key$3")" -e -nopad | hex)"
		agree "iv of $1" "$(section "initialization vector of $1")" "$iv"
		agree "$1" "$(section plaintext)" "$(bin "$data" | aes cbc "$(section "$2's encryption key$3")" -d -iv "$iv")"
	else
		agree "$1" "$(section plaintext)" "$(inside "$pdu" applData)"
	fi
	if has "nonce of $1"; then
		holds "nonce of $1" "$number"
		agree "nonce in $1" "$number" "$(unbase64 "$(leaf "$pdu" nonce)")"
		holds "ICV of $1" "$(gmac "$key" "$number")"
	else
		if has "number of $1"; then holds "number of $1" "$number"; agree "iv of $1" "$number" "$iv"; fi
		holds "ICV of $1" "$(mac HMAC -digest SHA256 -macopt "hexkey:$key")"
	fi
	agree "icv of $1" "$(section "ICV of $1")" "$(unbase64 "$(leaf "$pdu" icv)")"
}

req=$(section HandshakeReq); acc=$(section HandshakeAcc)
group=$(leaf "$req" dhGroup)
for pdu in "HandshakeReq client" "HandshakeAcc server" "ReleaseReq client" "ReleaseRsp server"; do signature $pdu; done
holds "signed octets of HandshakeReq (data1)" "$(inside "$req" tbs)"
holds "signed octets of HandshakeAcc (data2)" "$(inside "$acc" tbs)"
holds Z "$(secret "$(section "server key of the agreement")" "$(unbase64 "$(leaf "$req" dhPublicKey)")")"
holds Z "$(secret "$(section "client key of the agreement")" "$(unbase64 "$(leaf "$acc" dhPublicKey)")")"
first=$({ inside "$req" tbs; bin "$(zeros 64)"; } | sha256)
holds salt "$({ inside "$acc" tbs; bin "$first"; } | sha256)"
schedule "" "$(section Z)"
transfer "client data" client "" 0
transfer "server data" server "" 0
transfer "second client data" client "" 1
transfer "client data with rekey" client "" 2
rekey=$(inside "$(section "client data with rekey")" token2)
holds "Z of the re-key" "$(secret "$(section "server key of the agreement")" "$(unbase64 "$(leaf "$rekey" dhPublicKey)")")"
holds "salt of the re-key" "$({ printf %s "$rekey"; bin "$(section salt)"; } | sha256)"
schedule " of the re-key" "$(section "Z of the re-key")$(section "chain value")"
transfer "server data with changedKey" server "" 1
transfer "client data under the new keys" client " of the re-key" 0
transfer "server data under the new keys" server " of the re-key" 0
