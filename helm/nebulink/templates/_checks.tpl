{{- /* Checks that the schema cannot do: values that do not fit together are refused here, before a pod fails to start. */}}

{{- define "nebulink.checks" -}}
{{- include "nebulink.checkProjects" . }}
{{- include "nebulink.checkAddresses" . }}
{{- include "nebulink.checkSettings" . }}
{{- include "nebulink.checkTimeouts" . }}
{{- include "nebulink.checkIdentityHeader" . }}
{{- include "nebulink.checkSharedCache" . }}
{{- include "nebulink.checkMemory" . }}
{{- include "nebulink.checkService" . }}
{{- include "nebulink.checkReplicas" . }}
{{- if and .Values.serviceMonitor.enabled .Values.scrapeAnnotations.enabled }}
{{- fail "serviceMonitor.enabled and scrapeAnnotations.enabled: with both, Prometheus would count everything twice" }}
{{- end }}
{{- end }}

{{- define "nebulink.checkProjects" -}}
{{- $names := list }}
{{- range $project := .Values.projects }}
{{- $name := default "default" $project.name }}
{{- if has $name $names }}
{{- fail (printf "projects: two are called %s" $name) }}
{{- end }}
{{- $names = append $names $name }}
{{- if include "nebulink.neverCalls" $ }}
{{- if not (and $project.projectId $project.organizationId) }}
{{- fail (printf "projects: %s needs projectId and organizationId: config.nebuly.resolve is construct, which builds every URL from them" $name) }}
{{- end }}
{{- else if not (or $project.existingSecret $project.apiKey $project.apiKeyFile) }}
{{- fail (printf "projects: %s needs one of existingSecret, apiKey and apiKeyFile" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "nebulink.checkAddresses" -}}
{{- range $name := list "listen" "management_listen" }}
{{- $address := get $.Values.config.server $name }}
{{- if regexMatch "^(127\\.|\\[::1\\])" $address }}
{{- fail (printf "config.server.%s is a loopback address, which cannot be reached from outside the pod; listen on all addresses, such as [::]:8080" $name) }}
{{- end }}
{{- if not (regexMatch ":[1-9][0-9]*$" $address) }}
{{- fail (printf "config.server.%s has no port for the Service" $name) }}
{{- end }}
{{- end }}
{{- if eq (include "nebulink.port" .Values.config.server.listen) (include "nebulink.port" .Values.config.server.management_listen) }}
{{- fail "config.server.listen and config.server.management_listen have the same port" }}
{{- end }}
{{- end }}

{{- define "nebulink.checkSettings" -}}
{{- $values := dict "shared_cache.url_file" "sharedCache.existingSecret or valkey" "access.api_tokens_file" "apiTokens.existingSecret" "cache.snapshot_file" "snapshot.enabled" }}
{{- range $section, $settings := include "nebulink.ownSettings" . | fromYaml }}
{{- range $name, $_ := $settings }}
{{- if get (default dict (get $.Values.config $section)) $name }}
{{- $key := printf "%s.%s" $section $name }}
{{- fail (printf "config.%s is set together with %s, which sets it too: keep one of the two" $key (get $values $key)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.proxy.existingSecret.name (get (default dict .Values.config.nebuly) "proxy") }}
{{- fail "config.nebuly.proxy is set together with proxy.existingSecret, which sets it too: keep one of the two" }}
{{- end }}
{{- end }}

{{- /* Durations that are too short, or have to fit into each other, of those that are set: the program adapts its defaults to
them. */}}
{{- define "nebulink.checkTimeouts" -}}
{{- with get (default dict .Values.config.cache) "snapshot_interval" }}
{{- if lt (include "nebulink.nanoseconds" . | float64) 1e9 }}
{{- fail (printf "config.cache.snapshot_interval (%s) must be at least 1s" .) }}
{{- end }}
{{- end }}
{{- $inner := "" }}
{{- range $key := list "nebuly.connect_timeout" "nebuly.attempt_timeout" "nebuly.deadline" "server.request_timeout" }}
{{- $path := splitList "." $key }}
{{- with get (default dict (get $.Values.config (first $path))) (last $path) }}
{{- $outer := dict "key" $key "text" . "nanoseconds" (include "nebulink.nanoseconds" . | float64) }}
{{- with $inner }}
{{- $fits := ternary (lt .nanoseconds $outer.nanoseconds) (le .nanoseconds $outer.nanoseconds) (eq $key "server.request_timeout") }}
{{- if not $fits }}
{{- fail (printf "config.%s (%s) does not fit into config.%s (%s)" .key .text $outer.key $outer.text) }}
{{- end }}
{{- end }}
{{- $inner = $outer }}
{{- end }}
{{- end }}
{{- end }}

{{- define "nebulink.checkIdentityHeader" -}}
{{- if get (default dict .Values.config.access) "identity_header" }}
{{- if not (and .Values.networkPolicy.enabled .Values.networkPolicy.from) }}
{{- fail "config.access.identity_header needs networkPolicy.enabled and networkPolicy.from: a pod that reaches the port without the proxy could claim to be anybody" }}
{{- end }}
{{- if not (get .Values.config.server "trusted_proxies") }}
{{- fail "config.access.identity_header needs config.server.trusted_proxies: the header is trusted only from these addresses, so every request would be refused" }}
{{- end }}
{{- range $proxy := get .Values.config.server "trusted_proxies" }}
{{- if regexMatch "/0+$" $proxy }}
{{- fail (printf "config.access.identity_header: config.server.trusted_proxies has %s, so everybody could claim to be anybody" $proxy) }}
{{- end }}
{{- end }}
{{- range $peer := .Values.networkPolicy.from }}
{{- if include "nebulink.isEverybody" $peer }}
{{- fail (printf "config.access.identity_header: networkPolicy.from has %s, which admits everybody, so everybody could claim to be anybody" (toJson $peer)) }}
{{- end }}
{{- end }}
{{- range $rule := .Values.networkPolicy.extraIngress }}
{{- range $peer := default (list dict) $rule.from }}
{{- if include "nebulink.isEverybody" $peer }}
{{- fail (printf "config.access.identity_header: networkPolicy.extraIngress has %s, which admits everybody, so everybody could claim to be anybody" (toJson $rule)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Returns text if a peer of a NetworkPolicy is the whole cluster or all addresses. */}}
{{- define "nebulink.isEverybody" -}}
{{- $pods := default dict .podSelector }}
{{- $namespaces := default dict .namespaceSelector }}
{{- $own := and (hasKey . "podSelector") (not (hasKey . "namespaceSelector")) }}
{{- if .ipBlock }}
{{- if regexMatch "/0+$" (toString .ipBlock.cidr) }}yes{{ end }}
{{- else if not (or $own $pods.matchLabels $pods.matchExpressions $namespaces.matchLabels $namespaces.matchExpressions) }}yes{{ end }}
{{- end }}

{{- define "nebulink.checkSharedCache" -}}
{{- if and .Values.valkey.enabled .Values.sharedCache.existingSecret.name }}
{{- fail "valkey.enabled and sharedCache.existingSecret: there is one shared cache, so keep one of the two" }}
{{- end }}
{{- end }}

{{- /* Returns the bytes of a size such as 64MiB or of a quantity such as 256Mi, or 0 for another notation. */}}
{{- define "nebulink.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "" 1 }}
{{- $unit := regexFind "[a-zA-Z]*$" . | trimSuffix "B" | trimSuffix "b" | replace "k" "K" | replace "m" "M" | replace "g" "G" | replace "t" "T" | replace "I" "i" }}
{{- $number := regexFind "^[0-9]+" . | int64 }}
{{- if and (hasKey $units $unit) (regexMatch "^[0-9]+\\s*[a-zA-Z]*$" .) }}{{ mul $number (get $units $unit) }}{{ else }}0{{ end }}
{{- end }}

{{- define "nebulink.checkMemory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString | include "nebulink.bytes" | int64 }}
{{- $cache := get (default dict .Values.config.cache) "max_size" | default "0" | include "nebulink.bytes" | int64 }}
{{- if and $limit (ge $cache $limit) }}
{{- fail "config.cache.max_size does not fit into resources.limits.memory, so pods would be killed: 128Mi and twice that size are enough" }}
{{- end }}
{{- end }}

{{- define "nebulink.checkService" -}}
{{- $types := dict "nodePort" "NodePort LoadBalancer" "externalTrafficPolicy" "NodePort LoadBalancer" "loadBalancerClass" "LoadBalancer" "loadBalancerSourceRanges" "LoadBalancer" }}
{{- range $name, $wanted := $types }}
{{- if and (get $.Values.service $name) (not (has $.Values.service.type (splitList " " $wanted))) }}
{{- fail (printf "service.%s has no meaning for service.type %s: it is for %s" $name $.Values.service.type ($wanted | replace " " " and ")) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "nebulink.checkReplicas" -}}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- if and .enabled .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $.Values.resources)) }}
{{- fail "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not set" }}
{{- end }}
{{- if and .enabled (not .targetCPUUtilizationPercentage) (not .metrics) }}
{{- fail "autoscaling has no metric: set autoscaling.targetCPUUtilizationPercentage or autoscaling.metrics" }}
{{- end }}
{{- end }}
{{- with .Values.updateStrategy }}
{{- $rolling := default dict .rollingUpdate }}
{{- $none := list "0" "0%" }}
{{- if and (eq .type "RollingUpdate") (has (get $rolling "maxSurge" | toString) $none) (has (get $rolling "maxUnavailable" | toString) $none) }}
{{- fail "updateStrategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced" }}
{{- end }}
{{- end }}
{{- if and .Values.snapshot.enabled (hasKey .Values.snapshot.volume "persistentVolumeClaim") }}
{{- if or .Values.autoscaling.enabled (gt (int64 .Values.replicaCount) 1) (ne .Values.updateStrategy.type "Recreate") }}
{{- fail "snapshot.volume is a persistentVolumeClaim, which is for one pod alone: with it set replicaCount to 1, autoscaling.enabled to false and updateStrategy.type to Recreate, or use the shared cache instead" }}
{{- end }}
{{- end }}
{{- end }}
