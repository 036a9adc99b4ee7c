/*
 * Decodes BER with what asn1c made of our module, and answers with DER and canonical XER.
 *
 * Each message on standard input is four octets of length, most significant first, and BER. Each answer is two such
 * messages, DER and XER; where the BER is refused, DER is empty and the reason takes the place of XER.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MMSpdu.h>

struct buffer {
	char *octets;
	size_t length, space;
};

static int append(const void *octets, size_t length, void *to)
{
	struct buffer *b = to;
	if (b->length + length > b->space) {
		b->space = 2 * (b->length + length);
		if ((b->octets = realloc(b->octets, b->space)) == NULL)
			exit(1);
	}
	memcpy(b->octets + b->length, octets, length);
	b->length += length;
	return 0;
}

static int read_message(struct buffer *b)
{
	unsigned char head[4];
	if (fread(head, 1, 4, stdin) != 4)
		return 0;
	size_t length = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
	b->length = 0;
	while (length-- > 0) {
		char c = (char)getchar();
		append(&c, 1, b);
	}
	return 1;
}

static void write_message(const struct buffer *b)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		putchar(b->length >> shift & 0xff);
	fwrite(b->octets, 1, b->length, stdout);
}

/* convert returns the reason of a refusal, which is empty where there is none. */
static const char *convert(const struct buffer *in, struct buffer *der, struct buffer *xer)
{
	static char reason[256];
	size_t size = sizeof reason;
	MMSpdu_t *pdu = NULL;
	asn_dec_rval_t r = ber_decode(NULL, &asn_DEF_MMSpdu, (void **)&pdu, in->octets, in->length);

	reason[0] = '\0';
	if (r.code != RC_OK)
		snprintf(reason, sizeof reason, "malformed at %zu", r.consumed);
	else if (r.consumed != in->length)
		snprintf(reason, sizeof reason, "%zu octets follow", in->length - r.consumed);
	else if (asn_check_constraints(&asn_DEF_MMSpdu, pdu, reason, &size) != 0)
		;
	else if (der_encode(&asn_DEF_MMSpdu, pdu, append, der).encoded < 0)
		strcpy(reason, "no DER");
	else if (xer_encode(&asn_DEF_MMSpdu, pdu, XER_F_CANONICAL, append, xer).encoded < 0)
		strcpy(reason, "no XER");
	asn_DEF_MMSpdu.free_struct(&asn_DEF_MMSpdu, pdu, 0);
	return reason;
}

int main(void)
{
	struct buffer in = {0}, der = {0}, xer = {0};

	while (read_message(&in)) {
		der.length = xer.length = 0;
		const char *reason = convert(&in, &der, &xer);
		if (reason[0] != '\0') {
			der.length = xer.length = 0;
			append(reason, strlen(reason), &xer);
		}
		write_message(&der);
		write_message(&xer);
	}
	return 0;
}
