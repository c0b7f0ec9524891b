-- Quarto's callouts and tabsets for plain pandoc, in Quarto's own class names, so that one style sheet does for both.

local KINDS = {
  ["callout-note"] = "Note",
  ["callout-tip"] = "Tip",
  ["callout-important"] = "Important",
  ["callout-warning"] = "Warning",
  ["callout-caution"] = "Caution",
}

local tabsets = 0

local function html(text)
  return pandoc.RawBlock("html", text)
end

local function written(inlines)
  return pandoc.write(pandoc.Pandoc({ pandoc.Plain(inlines) }), "html")
end

local function callout(div, kind)
  local content = div.content
  local title = pandoc.Inlines({ pandoc.Str(div.attributes.title or KINDS[kind]) })
  local head = '<span class="callout-icon" aria-hidden="true"></span><span class="callout-title">' .. written(title) .. "</span>"
  local class = '"callout ' .. kind .. '"'
  local blocks = pandoc.Blocks({})
  if div.attributes.collapse then
    local open = div.attributes.collapse == "false" and " open" or ""
    blocks:insert(html("<details class=" .. class .. open .. '><summary class="callout-header">' .. head .. "</summary>"))
  else
    blocks:insert(html('<div class=' .. class .. ' role="note"><div class="callout-header">' .. head .. "</div>"))
  end
  blocks:insert(html('<div class="callout-body">'))
  blocks:extend(content)
  blocks:insert(html("</div>" .. (div.attributes.collapse and "</details>" or "</div>")))
  return blocks
end

local function tabset(div)
  tabsets = tabsets + 1
  local tabs = {}
  for _, block in ipairs(div.content) do
    if block.t == "Header" then
      table.insert(tabs, { title = written(block.content), blocks = pandoc.Blocks({}) })
    elseif #tabs > 0 then
      tabs[#tabs].blocks:insert(block)
    end
  end
  local list, panes = {}, pandoc.Blocks({})
  for position, tab in ipairs(tabs) do
    local id = "tabset-" .. tabsets .. "-" .. position
    local first = position == 1
    table.insert(
      list,
      string.format(
        '<button class="nav-link%s" role="tab" type="button" id="%s-tab" aria-controls="%s" aria-selected="%s" tabindex="%d">%s</button>',
        first and " active" or "", id, id, tostring(first), first and 0 or -1, tab.title
      )
    )
    panes:insert(html(string.format(
      '<div class="tab-pane%s" role="tabpanel" id="%s" aria-labelledby="%s-tab"><p class="tab-title">%s</p>',
      first and " active" or "", id, id, tab.title
    )))
    panes:extend(tab.blocks)
    panes:insert(html("</div>"))
  end
  local blocks = pandoc.Blocks({
    html('<div class="panel-tabset"><div class="nav-tabs" role="tablist">' .. table.concat(list) .. '</div><div class="tab-content">'),
  })
  blocks:extend(panes)
  blocks:insert(html("</div></div>"))
  return blocks
end

function Div(div)
  if div.classes:includes("panel-tabset") then
    return tabset(div)
  end
  for kind in pairs(KINDS) do
    if div.classes:includes(kind) then
      return callout(div, kind)
    end
  end
end
