-- Prosody 0.12 for Busbar: clients by certificate or SCRAM-SHA-256, other servers by certificate.
certificates = "{{.Dir}}"
pidfile = "{{.PID}}"
data_path = "{{.Data}}"
plugin_paths = { "{{.Dir}}/modules" }
log = { { levels = { min = "info" }, to = "file", filename = "{{.Log}}" } }
network_backend = "epoll"
interfaces = { "{{.Listen}}" }
c2s_ports = { {{.Clients}} }
s2s_ports = { {{.Peers}} }
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
{{with .DNS}}unbound = { resolvconf = false, hoststxt = false, forward = { "{{.}}" },
	options = { ["do-not-query-localhost:"] = "no", ["local-zone:"] = "test. transparent" } }
{{end -}}
-- Without this each answer waits 40 ms.
network_settings = { nagle = false }
gc = { mode = "generational" }
-- No "limits": its 10 kB/s would stretch a large read over minutes. No "offline": what comes late must not be kept.
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "smacks", "posix", "version", "s2s_auth_certs" }
modules_disabled = { "offline", "dialback"{{if not .Peers}}, "s2s"{{end}} }
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true
-- Half as much again as max_pdu in busbar.yaml, and some: a PDU of 65,000 octets takes about 90,000 in its stanza.
c2s_stanza_size_limit = {{.MaxStanza}}
-- A stream that is resumed stays at the limit of before authentication, 10 kB by default.
c2s_unauthed_stanza_size_limit = {{.MaxStanza}}
s2s_stanza_size_limit = {{.MaxStanza}}
c2s_timeout = 30
-- How long a client that has lost its connection may come back; its requests wait for it meanwhile.
smacks_hibernation_time = 30
tls_profile = "intermediate"
ssl = { cafile = "{{.Dir}}/roots.pem", capath = false, protocol = "tlsv1_2+", verifyext = { lsec_ignore_purpose = false } }
c2s_ssl = { verify = { "peer", "client_once" }, verifyext = { lsec_ignore_purpose = false, lsec_continue = {{if .Passwords}}true{{else}}false{{end}} } }

VirtualHost "{{.Domain}}"
	ssl = { certificate = "{{.Dir}}/server.crt", key = "{{.Dir}}/server.key" }
	authentication = "{{if .Passwords}}certscram{{else}}ccert{{end}}"
	certificate_match = "xmppaddr"
	password_hash = "SHA-256"
