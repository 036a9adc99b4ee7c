-- Accounts by certificate (mod_auth_ccert) and, where a client shows none, by SCRAM (mod_auth_internal_hashed).
local new_sasl = require "util.sasl".new;
module:depends("auth_internal_hashed");
module:depends("auth_ccert");

local function provider_of(name)
	for _, p in ipairs(module:get_host_items("auth-provider")) do
		if p.name == name then return p; end
	end
end

local provider = { name = "certscram" };
for _, method in ipairs { "test_password", "set_password", "create_user", "delete_user", "users" } do
	provider[method] = function (...) return provider_of("internal_hashed")[method](...); end
end

-- Who has a certificate needs no record.
function provider.user_exists() return true; end

function provider.get_sasl_handler(session)
	local profile = {};
	for k, v in pairs(provider_of("internal_hashed").get_sasl_handler(session).profile) do profile[k] = v; end
	profile.plain_test, profile.mechanisms = nil, nil; -- never PLAIN
	if session.secure then
		local socket = session.conn:socket();
		if socket:getpeercertificate() and socket:getpeerverification() then
			profile.external = provider_of("ccert").get_sasl_handler(session).profile.external;
		end
	end
	return new_sasl(module.host, profile);
end

module:provides("auth", provider);
